"""Verbs on networks. Source: behaviours 8, 152–163."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import structs

from wharfie.engine.events import EventBus
from wharfie.engine.networks import defaults
from wharfie.engine.networks.defaults import DefaultBridge
from wharfie.engine.networks.requests import NetworkCreate
from wharfie.engine.networks.selection import check_filters, find, matches
from wharfie.engine.networks.validation import BRIDGE_DRIVER, JOINED_BY_NOBODY, check_create
from wharfie.model import clock
from wharfie.model.errors import Conflict, EngineError, Forbidden, NoSuchNetwork
from wharfie.model.filters import NetworkFilters, PruneFilters, has_labels
from wharfie.model.ids import ContainerId, NetworkId, generate_id, short
from wharfie.model.measures import Actions
from wharfie.model.network import (
    IPAM,
    AddressMap,
    Connection,
    Endpoint,
    EndpointSettings,
    JoinRequest,
    LiveConnection,
    Network,
    NetworkDriver,
    PortBinding,
    PublishedPort,
    Resolving,
)
from wharfie.model.store import Store

_log = logging.getLogger(__name__)


class ConnectingDriver(NetworkDriver, AddressMap, Protocol):
    """A network driver that also tells who is connected."""


class Networks:
    """Networks and the live connections of containers to them.

    The engine's containers call `join`, `started` and `leave`; connections are recorded in the
    same transaction as the container's state by the caller, `live` is what is connected now.
    A container's connection is announced when it has `started`; that it ended is announced by
    `announce_left`, which the caller invokes once the end is recorded and told.
    """

    def __init__(
        self,
        store: Store,
        driver: ConnectingDriver,
        events: EventBus,
        *,
        default_bridge: DefaultBridge = DefaultBridge(),  # noqa: B008 - frozen
        default_options: Mapping[str, dict[str, str]] | None = None,
        actions: Actions | None = None,
    ) -> None:
        self._store = store
        self._driver = driver
        self._events = events
        self._default_bridge = default_bridge
        self._actions = actions or Actions(())
        self._default_options = default_options or {}
        self._networks: dict[NetworkId, Network] = {}
        self._names: dict[ContainerId, str] = {}
        self._announced: set[ContainerId] = set()
        self._joining: Counter[NetworkId] = Counter()
        self._changing = asyncio.Lock()
        self._pruning = False

    async def open(self, live: Mapping[ContainerId, tuple[int, Connection]]) -> None:
        """At start: load records, make the default networks, restore host state for `live`.

        Args:
            live: running containers' pid and recorded connection.
        """
        recorded = self._store.read(lambda tx: tx.networks.all())
        named = self._store.read(lambda tx: {c.id: c.name for c in tx.containers.all()})
        self._names = {container_id: named.get(container_id, "") for container_id in live}
        self._announced = set(live)
        self._networks = {network.id: network for network in recorded}
        await self._driver.restore(
            [network for network in recorded if network.driver not in JOINED_BY_NOBODY],
            [LiveConnection(key, pid, connection) for key, (pid, connection) in live.items()],
        )
        await self._ensure_bridge()
        for name, driver in ((defaults.HOST, "host"), (defaults.NONE, "null")):
            if self._named(name) is None:
                network_id = NetworkId(generate_id())
                await self._record(defaults.plain_network(name, driver, network_id, clock.now()))

    def get(self, ref: str) -> Network:
        """By full ID, name, or unambiguous ID prefix; NoSuchNetwork when missing."""
        return find(self._networks.values(), ref)

    def select(self, filters: NetworkFilters) -> Sequence[Network]:
        """Networks, newest last.

        Raises:
            InvalidArgument: a filter value that cannot be.
        """
        check_filters(filters)
        chosen = (
            one for one in self._networks.values() if matches(one, filters, is_used=self._is_used)
        )
        return sorted(chosen, key=lambda network: network.created)

    def endpoints(self, network: Network) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
        return self._driver.addresses(network.id)

    async def create(self, request: NetworkCreate) -> Network:
        """Make a user-defined network.

        Raises:
            InvalidArgument: malformed options or addresses, or no subnet is left.
            Forbidden: a predefined name, or a subnet that overlaps another network's.
            Conflict: the name is taken.
            NotFound: no such driver.
            NotSupported: what this engine does not do.
        """
        check_create(request)
        async with self._changing:
            if self._named(request.name) is not None:
                raise Conflict(f"network with name {request.name} already exists")
            wish = self._wish(request)
            if wish.config_only:
                await self._record(wish)
                return wish
            network = await self._driver.create(wish)
            try:
                await self._record(network)
            except BaseException:
                await self._driver.delete(network)
                raise
        self._publish("create", network)
        return network

    def _wish(self, request: NetworkCreate) -> Network:
        """The record of a network to be made, before a driver sees it."""
        driver = request.driver or BRIDGE_DRIVER
        wish = Network(
            id=self._new_id(),
            name=request.name,
            created=clock.now(),
            driver="null" if request.config_only else driver,
            enable_ipv4=request.enable_ipv4 is not False,
            enable_ipv6=request.enable_ipv6,
            ipam=_ipam(request.ipam),
            internal=request.internal,
            attachable=request.attachable,
            config_only=request.config_only,
            options=dict(request.options or {}),
            labels=dict(request.labels or {}),
        )
        source = request.config_from.network if request.config_from else ""
        if source:
            template = self.get(source)
            if not template.config_only:
                raise Forbidden(f"network {source} is not a configuration network")
            wish = structs.replace(
                wish,
                config_from=template.name,
                enable_ipv4=template.enable_ipv4,
                enable_ipv6=template.enable_ipv6,
                ipam=template.ipam,
                options={**template.options},
                labels={**template.labels, **wish.labels},
            )
        if request.config_only:
            return wish
        return structs.replace(
            wish, options={**self._default_options.get(driver, {}), **wish.options}
        )

    async def remove(self, ref: str) -> None:
        """Delete a network nobody is connected to; predefined ones are Forbidden.

        Raises:
            NoSuchNetwork: nothing matches.
            Forbidden: predefined, or somebody is connected.
        """
        async with self._changing:
            network = self.get(ref)
            if network.name in defaults.PREDEFINED:
                raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
            if network.config_only:
                users = [one.name for one in self._networks.values()
                         if one.config_from == network.name]  # fmt: skip
                if users:
                    raise Forbidden(
                        "error while removing network: configuration network "
                        f'"{network.name}" is in use'
                    )
            if self._is_used(network):
                raise Forbidden(
                    f"error while removing network: network {network.name} has active endpoints "
                    f"({self._users(network)})"
                )
            await self._delete(network)
        self._publish("destroy", network)

    async def prune(self, filters: PruneFilters) -> Sequence[str]:
        """Delete unused user-defined networks; their names.

        Raises:
            Conflict: another prune is running.
        """
        if self._pruning:
            raise Conflict("a prune operation is already running")
        self._pruning = True
        pruned: list[str] = []
        try:
            for network in list(self._networks.values()):
                if not _is_pruned(network, filters) or self._is_used(network):
                    continue
                try:
                    await self.remove(network.id)
                except (Forbidden, NoSuchNetwork):
                    continue  # connected, or removed by somebody else, meanwhile
                except EngineError as error:
                    _log.warning("could not remove network %s: %s", network.name, error)
                    continue
                pruned.append(network.name)
        finally:
            self._pruning = False
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return pruned

    async def join(self, request: JoinRequest) -> Connection:
        """Make and connect a starting container's sandbox; see NetworkDriver.join.

        Interfaces come in the order of their gateway priorities, equal ones by name.
        """
        for network, _ in request.networks:
            if self.get(network.id).config_only:
                raise Forbidden(
                    f"cannot create container {request.container_name}: network {network.name} "
                    "is a configuration only network"
                )
        ordered = sorted(request.networks, key=_gateway_order)
        joining = [network.id for network, _ in ordered]
        self._joining.update(joining)
        try:
            with self._actions.timed(*(("allocate", "connect") if joining else ())):
                connection = await self._driver.join(structs.replace(request, networks=ordered))
        finally:
            self._joining.subtract(joining)
        self._names[request.container_id] = request.container_name
        return connection

    async def started(self, container_id: ContainerId, pid: int, connection: Connection) -> None:
        """The container's process holds the sandbox now, and the connection is recorded."""
        await self._driver.started(container_id, pid)
        self._announced.add(container_id)
        self._announce("connect", container_id, connection)

    async def renamed(self, container_id: ContainerId, name: str, connection: Connection) -> None:
        """A container has another name; recorded by the caller."""
        self._names[container_id] = name
        await self._driver.renamed(container_id, connection)

    async def publish(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> Sequence[PublishedPort]:
        """Change a running container's published ports; see NetworkDriver.publish."""
        return await self._driver.publish(container_id, name, add, drop)

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """The container ended or could not start; idempotent."""
        with self._actions.timed(*(("release",) if connection.endpoints else ())):
            await self._driver.leave(container_id, connection)

    def announce_left(self, container_id: ContainerId, connection: Connection) -> None:
        """The end of a connection is recorded: tell it, if its beginning was told; idempotent."""
        self._names.pop(container_id, None)
        if container_id in self._announced:
            self._announced.discard(container_id)
            self._announce("disconnect", container_id, connection)

    async def connect(
        self,
        ref: str,
        *,
        container_id: ContainerId,
        pid: int,
        connection: Connection,
        settings: EndpointSettings,
        resolving: Resolving | None = None,
    ) -> Endpoint:
        """Connect a running container to one more network; the caller records the endpoint.

        Raises:
            NoSuchNetwork: nothing matches `ref`.
            Forbidden: it is connected already, or the network is host's or nobody's.
            Conflict: the address is taken.
        """
        network = self.get(ref)
        if network.driver in JOINED_BY_NOBODY:
            raise Forbidden(
                f"container cannot be connected to {network.name} network: it is not a network "
                "that running containers join"
            )
        if network.name in connection.endpoints:
            name = self._names.get(container_id, container_id)
            raise Forbidden(f"endpoint with name {name} already exists in network {network.name}")
        self._joining[network.id] += 1
        try:
            with self._actions.timed("connect"):
                endpoint = await self._driver.connect(
                    container_id, pid, network, settings, resolving=resolving
                )
        finally:
            self._joining[network.id] -= 1
        return endpoint

    async def disconnect(
        self, ref: str, *, container_id: ContainerId, pid: int, connection: Connection
    ) -> Network:
        """Disconnect a running container from a network; the caller records it.

        Raises:
            NoSuchNetwork: nothing matches `ref`.
            Forbidden: it is not connected.
        """
        network = self.get(ref)
        endpoint = connection.endpoints.get(network.name)
        if endpoint is None:
            raise Forbidden(f"container {container_id} is not connected to network {network.name}")
        await self._driver.disconnect(container_id, pid, endpoint)
        return network

    def announce(self, action: str, container_id: ContainerId, network: Network) -> None:
        """A recorded "connect" or "disconnect" of a running container."""
        self._publish(action, network, container=container_id)

    def _announce(self, action: str, container_id: ContainerId, connection: Connection) -> None:
        for endpoint in connection.endpoints.values():
            network = self._networks.get(endpoint.network_id)
            if network is not None:
                self._publish(action, network, container=container_id)

    def _publish(self, action: str, network: Network, **attributes: str) -> None:
        told = {**attributes, "name": network.name, "type": network.driver}
        self._events.publish("network", action, network.id, told)

    def _named(self, name: str) -> Network | None:
        return next((one for one in self._networks.values() if one.name == name), None)

    def _is_used(self, network: Network) -> bool:
        return self._joining[network.id] > 0 or bool(self._driver.addresses(network.id))

    def _users(self, network: Network) -> str:
        endpoints = self._driver.addresses(network.id)
        return ", ".join(
            f'name:"{self._names.get(container_id, "")}" id:"{short(endpoint.id)}"'
            for container_id, endpoint in endpoints.items()
        )

    def _new_id(self) -> NetworkId:
        """An ID whose first 12 digits, the bridge's name, are nobody else's."""
        taken = {short(network_id) for network_id in self._networks}
        while short(network_id := generate_id()) in taken:
            pass
        return NetworkId(network_id)

    async def _record(self, network: Network) -> None:
        await self._store.write(lambda tx: tx.networks.put(network), durable=True)
        self._networks[network.id] = network

    async def _delete(self, network: Network) -> None:
        """From here on nobody finds it; a failed commit brings it back."""
        del self._networks[network.id]
        try:
            await self._store.write(lambda tx: tx.networks.delete(network.id), durable=True)
        except BaseException:
            self._networks[network.id] = network
            raise
        if not network.config_only:
            await self._driver.delete(network)

    async def _ensure_bridge(self) -> None:
        """Make the default bridge as configured; one in use is changed at a later start."""
        present = self._named(defaults.BRIDGE)
        if not self._default_bridge.wanted:
            if present is not None and not self._is_used(present):
                await self._delete(present)
            return
        network_id = present.id if present else NetworkId(generate_id())
        created = present.created if present else clock.now()
        wish = defaults.bridge_network(self._default_bridge, network_id, created)
        if present is not None:
            if defaults.is_as_wished(present, wish):
                return
            if self._is_used(present):
                _log.warning("the default bridge is in use: its new options wait")
                return
            await self._driver.delete(present)
        await self._record(await self._driver.create(wish))


def _gateway_order(pair: tuple[Network, EndpointSettings]) -> tuple[int, str]:
    """Source: behaviours 163."""
    network, settings = pair
    return -settings.gw_priority, network.name


def _ipam(wish: IPAM | None) -> IPAM:
    if wish is None:
        return IPAM()
    return structs.replace(
        wish,
        driver=wish.driver or "default",
        config=[config for config in wish.config or [] if config.subnet],
    )


def _is_pruned(network: Network, filters: PruneFilters) -> bool:
    return (
        network.name not in defaults.PREDEFINED
        and not network.ingress
        and has_labels(filters.labels, network.labels)
        and not any(has_labels([label], network.labels) for label in filters.not_labels)
        and (filters.until is None or _nanoseconds(network.created) <= filters.until)
    )


def _nanoseconds(created: str) -> int:
    """Nanoseconds since the epoch of a time as `model.clock` spells it."""
    whole, _, fraction = created.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
