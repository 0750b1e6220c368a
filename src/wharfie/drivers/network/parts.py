"""What the network driver is made of, as its nouns share it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.bridges import Bridges
from wharfie.drivers.network.departures import Departures
from wharfie.drivers.network.endpoints import EndpointMaker
from wharfie.drivers.network.firewall import Firewall
from wharfie.drivers.network.links import HostLinks
from wharfie.drivers.network.live import LiveSandboxes
from wharfie.drivers.network.naming import NameService
from wharfie.drivers.network.publishing import PortAllocator
from wharfie.drivers.network.settings import NetworkSettings
from wharfie.model.network import Endpoint


class NetworkParts(Struct, frozen=True, kw_only=True):
    """One driver's parts; each is safe to use from several threads."""

    settings: NetworkSettings
    links: HostLinks
    firewall: Firewall
    book: AddressBook
    bridges: Bridges
    endpoints: EndpointMaker
    departures: Departures
    live: LiveSandboxes
    names: NameService
    ports: PortAllocator

    def tell_plugins(self, endpoints: Sequence[Endpoint]) -> None:
        """Plugins hear that endpoints of theirs are gone."""
        for endpoint in endpoints:
            network = self.bridges.find(endpoint.network_id)
            if network is not None and network.remote is not None:
                network.remote.leave(endpoint.id)
