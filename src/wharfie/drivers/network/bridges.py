"""Networks on this host: each a bridge with a subnet and its part of the firewall."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address

import msgspec

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.endpoints import BridgeNetwork, Side
from wharfie.drivers.network.firewall import Firewall
from wharfie.drivers.network.links import HostLinks
from wharfie.drivers.network.options import BRIDGE_NAME, BridgeOptions
from wharfie.drivers.network.remote import RemoteNetwork
from wharfie.drivers.network.settings import NetworkSettings
from wharfie.drivers.network.sublinks import DRIVERS, SublinkOptions, ensure_parent
from wharfie.model.errors import EngineError, Forbidden, Internal, NoSuchNetwork
from wharfie.model.ids import NetworkId, short
from wharfie.model.network import IPAM, Address, Block, Network

_log = logging.getLogger(__name__)

_DEFAULT_GATEWAY = "DefaultGatewayIPv{}"


class Bridges:
    """All bridge networks that work; safe to use from several threads."""

    def __init__(
        self, links: HostLinks, book: AddressBook, firewall: Firewall, settings: NetworkSettings
    ) -> None:
        self._links = links
        self._book = book
        self._firewall = firewall
        self._settings = settings
        self._networks: dict[NetworkId, BridgeNetwork] = {}
        self._broken: dict[NetworkId, str] = {}
        self._lock = threading.Lock()

    def all(self) -> list[BridgeNetwork]:
        """Every network that works."""
        with self._lock:
            return list(self._networks.values())

    def find(self, network_id: NetworkId) -> BridgeNetwork | None:
        """A network that works, or None."""
        with self._lock:
            return self._networks.get(network_id)

    def by_id(self, network_id: NetworkId) -> BridgeNetwork:
        """A network that works.

        Raises:
            NoSuchNetwork: there is none.
        """
        found = self.find(network_id)
        if found is None:
            raise NoSuchNetwork(network_id)
        return found

    def is_internal(self, network_id: NetworkId) -> bool:
        """Whether a network has no way outside; an unknown one has none."""
        found = self.find(network_id)
        return found is None or found.record.internal

    def get(self, network: Network) -> BridgeNetwork:
        """A recorded network as it stands.

        Raises:
            Internal: it could not be restored when the daemon started.
            NoSuchNetwork: it was never made.
        """
        reason = self._broken.get(network.id)
        if reason is not None:
            raise Internal(f"network {network.name} is not available: {reason}")
        return self.by_id(network.id)

    def create(self, network: Network) -> Network:
        """Make a network: claim a subnet, make the bridge, tell the firewall."""
        with self._lock:
            known = self._networks.get(network.id)
            if known is not None:
                return known.record
            made = self._make(network, self._links.occupied())
            try:
                self._firewall.add_network(made.rules)
            except OSError:
                self._unmake(made)
                raise
            self._networks[network.id] = made
            return made.record

    def delete(self, network: Network) -> None:
        """Take a network away; a bridge made by somebody else stays."""
        with self._lock:
            known = self._networks.pop(network.id, None)
            self._broken.pop(network.id, None)
            if known is not None and known.remote is not None:
                self._book.drop(network.id)
                known.remote.delete()
                return
            bridge = known.options.bridge if known else BridgeOptions.of(network).bridge
            if network.driver in DRIVERS:
                bridge = SublinkOptions.of(network).parent
                if any(one.sublink and one.sublink.parent == bridge
                       for one in self._networks.values()):  # fmt: skip
                    self._book.drop(network.id)
                    return
            self._firewall.delete_network(bridge)
            if not any(other.options.bridge == bridge for other in self._networks.values()):
                self._links.delete_own(bridge)
            self._book.drop(network.id)

    def restore(self, networks: Sequence[Network]) -> None:
        """Make exactly these networks; one that fails is reported when it is used.

        The firewall is not told: at a restart it is reset as a whole.
        """
        with self._lock:
            for network_id in self._networks:
                self._book.drop(network_id)
            self._networks.clear()
            self._broken.clear()
            for network in networks:
                try:
                    self._networks[network.id] = self._make(network, [], is_new=False)
                except (EngineError, OSError) as error:
                    _log.error("network %s is not available: %s", network.name, error)
                    self._broken[network.id] = str(error)

    def _make(
        self, network: Network, occupied: Sequence[Block], *, is_new: bool = True
    ) -> BridgeNetwork:
        if network.driver in DRIVERS:
            return self._make_sublink(network, occupied)
        if network.driver != "bridge":
            return self._make_remote(network, occupied, is_new=is_new)
        options = self._named(BridgeOptions.of(network))
        for other in self._networks.values():
            if other.options.bridge == options.bridge:
                raise Forbidden(
                    f"cannot create network {network.id} ({options.bridge}): conflicts with "
                    f"network {other.record.id} ({options.bridge}): networks have same bridge name"
                )
        with ExitStack() as undo:
            versions = [4] if network.enable_ipv4 else []
            versions += [6] if network.enable_ipv6 else []
            ipam = self._book.claim(network.id, network.ipam, occupied, versions=versions)
            undo.callback(self._book.drop, network.id)
            sides = tuple(
                Side(one.subnet, one.gateway, _router(ipam, version) or one.gateway)
                for version in versions
                for one in self._book.subnets(network.id, version)
            )
            existed = self._links.find(options.bridge) is not None
            if not existed:
                undo.callback(self._links.delete_own, options.bridge)
            if network.enable_ipv6 and self._settings.forwarding:
                self._links.enable_ipv6_forwarding()
            index = self._links.ensure_bridge(
                options.bridge,
                addresses=[
                    (side.own, side.subnet.prefixlen)
                    for side in sides
                    if options.mode(side.version) != "isolated"
                    and (options.address or side.version == 6)
                ],
                ipv6=network.enable_ipv6,
                mtu=options.mtu,
                redirected=4 in self._settings.managed,
            )
            settled = msgspec.structs.replace(network, ipam=ipam)
            if options.default:
                told = {**network.options, BRIDGE_NAME: options.bridge}
                settled = msgspec.structs.replace(settled, options=told)
            made = BridgeNetwork(
                settled, options, index, sides, direct=self._settings.direct_routing
            )
            undo.pop_all()
        return made

    def _make_remote(
        self, network: Network, occupied: Sequence[Block], *, is_new: bool
    ) -> BridgeNetwork:
        """A network of a plugin; one that was made before is only found again."""
        remote = RemoteNetwork.find(network)
        versions = [4] if network.enable_ipv4 else []
        versions += [6] if network.enable_ipv6 else []
        ipam = self._book.claim(network.id, network.ipam, occupied, versions=versions, several=True)
        sides = tuple(
            Side(one.subnet, one.gateway, one.gateway)
            for version in versions
            for one in self._book.subnets(network.id, version)
        )
        if is_new:
            blocks = [
                (one.version, str(one.subnet), f"{one.own}/{one.subnet.prefixlen}") for one in sides
            ]
            try:
                remote.create(network, blocks)
            except EngineError:
                self._book.drop(network.id)
                raise
        settled = msgspec.structs.replace(network, ipam=ipam)
        return BridgeNetwork(settled, BridgeOptions.of(network), -1, sides, remote=remote)

    def _make_sublink(self, network: Network, occupied: Sequence[Block]) -> BridgeNetwork:
        """A network whose containers have faces of one of the host's interfaces."""
        options, sublink = BridgeOptions.of(network), SublinkOptions.of(network)
        for other in self._networks.values():
            taken = other.sublink
            if taken is not None and taken.parent == sublink.parent and taken.kind != sublink.kind:
                raise Forbidden(
                    f"network {short(other.record.id)} is already using parent interface "
                    f"{sublink.parent}"
                )
        versions = [4] if network.enable_ipv4 else []
        versions += [6] if network.enable_ipv6 else []
        ipam = self._book.claim(network.id, network.ipam, occupied, versions=versions, several=True)
        try:
            index = ensure_parent(self._links, sublink)
        except (EngineError, OSError):
            self._book.drop(network.id)
            raise
        sides = tuple(
            Side(one.subnet, one.gateway, one.gateway)
            for version in versions
            for one in self._book.subnets(network.id, version)
        )
        settled = msgspec.structs.replace(network, ipam=ipam)
        return BridgeNetwork(settled, options, index, sides, sublink)

    def _unmake(self, made: BridgeNetwork) -> None:
        self._links.delete_own(made.options.bridge)
        self._book.drop(made.record.id)

    def _named(self, options: BridgeOptions) -> BridgeOptions:
        """The default network does not take a bridge that is another engine's."""
        if options.default and self._links.is_foreign(options.bridge):
            return msgspec.structs.replace(options, bridge=self._settings.fallback_bridge)
        return options


def _router(ipam: IPAM, version: int) -> Address | None:
    """The gateway containers use where it is not the bridge itself. Source: --default-gateway."""
    for config in ipam.config or []:
        wished = (config.aux_addresses or {}).get(_DEFAULT_GATEWAY.format(version))
        if wished:
            return ip_address(wished)
    return None
