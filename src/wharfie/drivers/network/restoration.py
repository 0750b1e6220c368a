"""Restoring at start: networks and living containers as recorded, all else that is ours removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from wharfie.drivers.network.endpoints import BridgeNetwork, addresses_of, gateway_endpoint
from wharfie.drivers.network.firewall.ruleset import PortRule
from wharfie.drivers.network.live import LiveSandbox
from wharfie.drivers.network.naming import port_target
from wharfie.drivers.network.parts import NetworkParts
from wharfie.drivers.network.publishing.ports import PortTaken
from wharfie.drivers.network.publishing.published import PublishedPorts
from wharfie.drivers.network.sandbox import namespace_of, netlink_inside
from wharfie.model.errors import EngineError
from wharfie.model.network import Connection, Endpoint, LiveConnection, Network, PublishedPort

_log = logging.getLogger(__name__)


class Restoration:
    """What a starting daemon makes of what it finds."""

    def __init__(self, parts: NetworkParts, published: PublishedPorts) -> None:
        self._parts = parts
        self._published = published

    def restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        """Make it so; see NetworkDriver."""
        parts = self._parts
        parts.live.sweep()
        if parts.settings.forwarding:
            parts.links.enable_forwarding()
        self._tell_unmanaged()
        parts.bridges.restore(networks)
        rules: list[PortRule] = []
        lost: list[PublishedPort] = []
        adopted = []
        for one in live:
            connection = self._adopt(one)
            adopted.append(connection)
            target = port_target(list(connection.endpoints.values()))
            lost += parts.ports.restore(one.container_id, connection.ports)
            if target is not None:
                rules += self._published.rules(connection.ports, target)
        networks_rules = [one for network in parts.bridges.all() for one in network.rules]
        parts.firewall.reset(networks_rules, rules)
        parts.names.restore()
        for port in parts.ports.retake(lost):  # our own relay may have had it until now
            _log.warning("another program has taken port %s/%s", port.host_port, port.protocol)
        for connection in adopted:
            self._listen(connection)
        self._remove_leftovers()

    def _tell_unmanaged(self) -> None:
        settings = self._parts.settings
        missing = [f"IPv{version}" for version in (4, 6) if version not in settings.managed]
        if missing:
            _log.info(
                "no firewall rules are made for %s: networks are not kept apart, and containers "
                "reach the outside only by rules of the administrator's",
                " and ".join(missing),
            )
        if missing and not settings.relays:
            _log.warning("userland-proxy is off, too: nobody serves published ports")

    def _listen(self, connection: Connection) -> None:
        try:
            self._parts.ports.listen(connection.ports)
        except PortTaken as taken:
            _log.warning("%s", taken)

    def _adopt(self, one: LiveConnection) -> Connection:
        """Know a running container again: lease its addresses, mend its interfaces."""
        endpoints: dict[str, Endpoint] = {}
        for name, recorded in one.connection.endpoints.items():
            network = self._parts.bridges.find(recorded.network_id)
            if network is None:
                continue
            try:
                for address in addresses_of(recorded):
                    self._parts.book.lease(
                        recorded.network_id, str(address), version=address.version
                    )
                endpoints[name] = self._mend(one, network, recorded)
            except (OSError, EngineError) as error:
                _log.error("cannot restore %s of %s: %s", name, one.container_id, error)
                endpoints[name] = recorded
        target = port_target(list(endpoints.values()))
        versions = [] if target is None else [one.version for one in addresses_of(target)]
        connection = msgspec.structs.replace(
            one.connection,
            endpoints=endpoints,
            ports=self._parts.ports.settled(one.connection.ports, versions),
        )
        self._parts.live.add(LiveSandbox(one.container_id, connection, None))
        self._parts.live.started(one.container_id, one.pid)
        return connection

    def _mend(self, one: LiveConnection, network: BridgeNetwork, endpoint: Endpoint) -> Endpoint:
        if network.sublink is not None or network.remote is not None:
            return endpoint  # it is inside, and goes with its sandbox
        link = self._parts.links.find(endpoint.host_interface)
        if link is None:
            route = endpoint == gateway_endpoint(list(one.connection.endpoints.values()))
            with netlink_inside(one.pid, None) as netlink, namespace_of(one.pid, None) as namespace:
                return self._parts.endpoints.put_back(
                    netlink, network, endpoint, namespace=namespace, route=route
                )
        if link.master != network.index:
            port = network.port
            self._parts.links.attach(link.name, port.bridge, icc=port.icc, mtu=port.mtu)
        return endpoint

    def _remove_leftovers(self) -> None:
        keep = {network.options.bridge for network in self._parts.bridges.all()}
        for network in self._parts.bridges.all():
            if network.sublink is not None:
                keep |= {network.sublink.parent, f"{network.sublink.parent[:13]}-x"}
        for live in self._parts.live.all():
            keep |= {one.host_interface for one in live.connection.endpoints.values()}
        for link in self._parts.links.own():
            if link.name not in keep:
                self._parts.links.delete([link.name])
