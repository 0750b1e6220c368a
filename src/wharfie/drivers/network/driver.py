"""The bridge driver: sandboxes on Linux bridges, ports redirected by nftables.

    sandbox eth0 ── veth ── bridge ── forward, postrouting ── outside
                              ▲            prerouting, output: published ports

The kernel's network lock can be held for long by others, so work goes to a few threads; only
what never waits runs on the event loop. A verb cut short by cancellation is undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import msgspec

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.bridges import Bridges
from wharfie.drivers.network.departures import Departures
from wharfie.drivers.network.endpoints import (
    BridgeNetwork,
    EndpointMaker,
    addresses_of,
    gateway_endpoint,
)
from wharfie.drivers.network.firewall import Firewall
from wharfie.drivers.network.guard import Guard
from wharfie.drivers.network.links import HostLinks
from wharfie.drivers.network.live import LiveSandbox, LiveSandboxes
from wharfie.drivers.network.naming import NameService, open_sockets, port_target
from wharfie.drivers.network.portrules import port_rules
from wharfie.drivers.network.ports import PortAllocator, PortTaken
from wharfie.drivers.network.ruleset import PortRule
from wharfie.drivers.network.sandbox import Sandbox, SandboxFactory, SandboxPool
from wharfie.drivers.network.settings import NetworkSettings
from wharfie.formats.network import rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.netlink import GONE, NETLINK_ROUTE, NetlinkSocket
from wharfie.model.errors import Conflict, EngineError, Internal
from wharfie.model.ids import ContainerId, NetworkId, generate_id
from wharfie.model.network import (
    Connection,
    Endpoint,
    EndpointSettings,
    JoinRequest,
    LiveConnection,
    Network,
    PortBinding,
    PublishedPort,
    Resolving,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")
_THREADS = 4
_BARE_READY = 2


class BridgeNetworks:
    """Implements `NetworkDriver` and `AddressMap` with bridges, veth pairs and nftables."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        with ExitStack() as undo:
            self._links = HostLinks(settings.owner)
            undo.callback(self._links.close)
            self._firewall = Firewall(settings.owner, adapt_forward=settings.adapt_forward)
            undo.callback(self._firewall.close)
            self._factory = SandboxFactory(self._links, settings.userns)
            undo.pop_all()
        self._book = AddressBook(settings.pools)
        self._ports = PortAllocator()
        self._departures = Departures(self._links, self._book, grace=settings.grace)
        self._bridges = Bridges(self._links, self._book, self._firewall, settings)
        self._endpoints = EndpointMaker(self._links, self._book, self._factory, self._departures)
        self._live = LiveSandboxes(settings.exec_root)
        self._names = NameService(
            settings.exec_root,
            everybody=self._live.connections,
            is_internal=self._bridges.is_internal,
            sockets=self._name_sockets,
            relay_socket=self._ports.relay_socket,
        )
        self._guard = Guard(self._firewall, self._names)
        self._wired = SandboxPool(
            self._factory.wired, ready=settings.ready, most_ready=settings.most_ready
        )
        self._bare = SandboxPool(
            self._factory.bare,
            ready=min(_BARE_READY, settings.ready),
            most_ready=settings.most_ready,
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="network")

    def close(self) -> None:
        """Free what is not any container's: ready sandboxes, threads, sockets.

        Networks, rules and running containers stay; published ports are no longer held.
        """
        self._threads.shutdown()
        self._guard.close()
        self._names.close()
        self._wired.close()
        self._bare.close()
        self._departures.close()
        self._live.close()
        self._ports.close()
        self._factory.close()
        self._firewall.close()
        self._links.close()

    def addresses(self, network_id: NetworkId) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
        return self._live.endpoints(network_id)

    def bridges(self) -> set[str]:
        """Names of the bridges that containers are on."""
        return {network.options.bridge for network in self._bridges.all()}

    async def create(self, network: Network) -> Network:
        """See NetworkDriver; the default network also gets its bridge's name filled in."""
        return await self._run(lambda: self._bridges.create(network), undo=self._bridges.delete)

    async def delete(self, network: Network) -> None:
        """See NetworkDriver."""

        def delete() -> None:
            self._departures.settle(network.id)
            self._bridges.delete(network)

        await self._run(delete)

    async def restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        """See NetworkDriver; also begins to make sandboxes in advance."""
        await self._run(lambda: self._restore(networks, live))

    async def join(self, request: JoinRequest) -> Connection:
        """See NetworkDriver."""
        container_id = request.container_id
        if (left := self._live.get(container_id)) is not None:
            await self.leave(container_id, left.connection)
        if not request.networks and (ready := self._bare.take_ready()) is not None:
            return self._admit(container_id, ready, {}, [])
        return await self._run(
            lambda: self._join(request), undo=lambda made: self._leave(container_id, made)
        )

    async def connect(
        self,
        container_id: ContainerId,
        pid: int,
        network: Network,
        settings: EndpointSettings,
        *,
        resolving: Resolving | None = None,
    ) -> Endpoint:
        """See NetworkDriver."""
        return await self._run(
            lambda: self._connect(container_id, pid, network, settings, resolving),
            undo=lambda made: self._disconnect(container_id, pid, made),
        )

    async def disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        """See NetworkDriver."""
        await self._run(lambda: self._disconnect(container_id, pid, endpoint))

    async def started(self, container_id: ContainerId, pid: int) -> None:
        """See NetworkDriver; the sandbox's link for tools appears."""
        self._live.started(container_id, pid)

    async def publish(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> Sequence[PublishedPort]:
        """See NetworkDriver."""
        return await self._run(lambda: self._republish(container_id, name, add, drop))

    async def renamed(self, container_id: ContainerId, connection: Connection) -> None:
        """See NetworkDriver."""

        def rename() -> None:
            if self._live.rename(container_id, connection):
                self._names.join(container_id, connection, None)

        await self._run(rename)

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """See NetworkDriver."""
        is_plain = all(one.host_interface for one in connection.endpoints.values())
        if connection.ports or connection.resolving is not None or not is_plain:
            await self._run(lambda: self._leave(container_id, connection))
        else:
            self._leave(container_id, connection)

    async def _run(self, action: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Run in a thread; when cancelled, the thread's work is undone once it is done."""
        future = self._threads.submit(action)
        try:
            return await asyncio.wrap_future(_shielded(future))
        except asyncio.CancelledError:
            if undo is not None:
                revert = undo
                future.add_done_callback(lambda done: _revert(done, revert))
            raise
        except OSError as error:
            raise Internal(f"network: {error.strerror or error}") from error

    def _join(self, request: JoinRequest) -> Connection:
        networks = [
            (self._bridges.get(network), settings) for network, settings in request.networks
        ]
        outside = next((n for n, (one, _) in enumerate(networks) if not one.record.internal), None)
        with ExitStack() as undo:
            sandbox = (self._wired if networks else self._bare).take()
            undo.callback(sandbox.close)
            endpoints: dict[str, Endpoint] = {}
            for position, (network, settings) in enumerate(networks):
                endpoint = self._endpoints.make(
                    sandbox.netlink,
                    network,
                    settings,
                    namespace=sandbox.namespace,
                    position=position,
                    spare=None if position or network.sublink or network.remote else sandbox.spare,
                    default_route=position == outside,
                )
                undo.callback(self._departures.add, [endpoint])
                endpoints[network.record.name] = endpoint
            if networks:
                if networks[0][0].index >= 0 and networks[0][0].sublink is None:
                    self._factory.preferred = networks[0][0].port
                self._firewall.check()
            ports = self._publish(
                request.container_id,
                request.container_name,
                request.publish,
                list(endpoints.values()),
                undo,
            )
            fds = None
            if request.resolving is not None:
                with netns.inside(sandbox.namespace, self._factory.home):
                    fds = open_sockets()
            connection = self._admit(
                request.container_id, sandbox, endpoints, ports, request.resolving
            )
            undo.pop_all()
        try:
            self._names.join(request.container_id, connection, fds)
        except OSError:
            self._leave(request.container_id, connection)
            raise
        return connection

    def _admit(
        self,
        container_id: ContainerId,
        sandbox: Sandbox,
        endpoints: dict[str, Endpoint],
        ports: list[PublishedPort],
        resolving: Resolving | None = None,
    ) -> Connection:
        """A sandbox is complete: know it as the container's."""
        sandbox.netlink.close()
        connection = Connection(
            sandbox_id=generate_id(),
            namespace=f"/proc/{os.getpid()}/fd/{sandbox.namespace}",
            endpoints=endpoints,
            ports=ports,
            resolving=resolving,
        )
        self._live.add(LiveSandbox(container_id, connection, sandbox))
        return connection

    def _rules(self, ports: Sequence[PublishedPort], target: Endpoint) -> list[PortRule]:
        return port_rules(ports, target, direct=self._settings.direct_routing)

    def _republish(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> list[PublishedPort]:
        live = self._live.require(container_id)
        endpoints = list(live.connection.endpoints.values())
        target = port_target(endpoints)
        if target is None:
            raise Conflict(f"container {name} has no network that ports can be published on")
        with ExitStack() as undo:
            added = self._publish(container_id, name, add, endpoints, undo)
            undo.pop_all()
        gone = self._ports.owned(container_id, drop)
        self._firewall.unpublish(self._rules(gone, target))
        self._names.unrelay(gone)
        self._ports.release(container_id, gone)
        kept = [port for port in live.connection.ports if port not in gone]
        return self._live.publish(container_id, [*kept, *added])

    def _publish(
        self,
        owner: ContainerId,
        name: str,
        publish: Mapping[str, list[PortBinding]],
        endpoints: Sequence[Endpoint],
        undo: ExitStack,
    ) -> list[PublishedPort]:
        wishes = [(spec, one) for spec, some in publish.items() for one in some]
        target = port_target(endpoints)
        if not wishes or target is None:
            return []
        options = self._bridges.by_id(target.network_id).options
        versions = [one.version for one in addresses_of(target)]
        try:
            ports = self._ports.publish(
                owner,
                wishes,
                host_binding=options.host_binding,
                versions=versions,
                routed=[one for one in versions if options.mode(one) == "routed"],
            )
            undo.callback(self._ports.release, owner, ports)
            rules = self._rules(ports, target)
            self._firewall.publish(rules)
            undo.callback(self._firewall.unpublish, rules)
            self._ports.listen(ports)
            self._names.relay(ports, target)
            undo.callback(self._names.unrelay, ports)
        except PortTaken as taken:
            raise PortTaken(
                "driver failed programming external connectivity on endpoint "
                f"{name} ({target.id}): {taken}",
                own=taken.own,
            ) from None
        return ports

    def _leave(self, container_id: ContainerId, connection: Connection) -> None:
        live = self._live.pop(container_id, connection)
        if live is None:
            return
        endpoints = list(live.connection.endpoints.values())
        ports = self._ports.owned(container_id, live.connection.ports)
        try:
            self._names.leave(container_id, live.connection)
            self._names.unrelay(ports)
            target = port_target(endpoints)
            if ports and target is not None:
                self._firewall.unpublish(self._rules(ports, target))
        finally:
            self._ports.release(container_id, ports)
            live.close()
            self._departures.add(endpoints)
            self._tell_remote(endpoints)

    def _tell_remote(self, endpoints: Sequence[Endpoint]) -> None:
        """Plugins hear that endpoints of theirs are gone."""
        for endpoint in endpoints:
            network = self._bridges.find(endpoint.network_id)
            if network is not None and network.remote is not None:
                network.remote.leave(endpoint.id)

    def _name_sockets(self, container_id: ContainerId) -> tuple[int, int]:
        live = self._live.require(container_id)
        with _namespace(live.pid, live.sandbox) as namespace:
            return netns.call_inside(namespace, lambda: open_sockets(again=True))

    def _connect(
        self,
        container_id: ContainerId,
        pid: int,
        network: Network,
        settings: EndpointSettings,
        resolving: Resolving | None,
    ) -> Endpoint:
        bridge = self._bridges.get(network)
        live = self._live.require(container_id)
        before = gateway_endpoint(list(live.connection.endpoints.values()))
        ports_before = port_target(list(live.connection.endpoints.values()))
        with (
            _inside(pid, live.sandbox) as netlink,
            _namespace(pid, live.sandbox) as namespace,
        ):
            endpoint = self._endpoints.make(
                netlink,
                bridge,
                settings,
                namespace=namespace,
                position=None,
                default_route=before is None,
            )
        is_new = resolving is not None and live.connection.resolving is None
        fds = self._name_sockets(container_id) if is_new else None
        connection = self._live.connect(container_id, network.name, endpoint, resolving)
        self._names.join(container_id, connection, fds)
        self._move_ports(live, ports_before)
        return endpoint

    def _disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        live = self._live.get(container_id)
        if live is None or not self._live.disconnect(container_id, endpoint.id):
            return
        old = gateway_endpoint([endpoint])
        ports_before = port_target([endpoint, *live.connection.endpoints.values()])
        new = gateway_endpoint(list(live.connection.endpoints.values()))
        if not endpoint.host_interface:
            with (
                contextlib.suppress(ProcessLookupError, FileNotFoundError),
                _inside(pid, live.sandbox) as netlink,
            ):
                netlink.run([rtnetlink.delete_link(endpoint.interface)], ignore=GONE)
        self._endpoints.remove(endpoint)
        self._tell_remote([endpoint])
        self._names.part(container_id, [endpoint])
        self._names.join(container_id, live.connection, None)
        if new is not None and old is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self._reroute(pid, live, new)
        self._move_ports(live, ports_before)

    def _reroute(self, pid: int, live: LiveSandbox, new: Endpoint) -> None:
        with _inside(pid, live.sandbox) as netlink:
            self._endpoints.route(netlink, new)

    def _move_ports(self, live: LiveSandbox, before: Endpoint | None) -> None:
        """Redirect a container's ports to the endpoint that is its way to the outside now."""
        ports = self._ports.owned(live.container_id, live.connection.ports)
        after = port_target(list(live.connection.endpoints.values()))
        if not ports or before == after:
            return
        if before is not None:
            self._firewall.unpublish(self._rules(ports, before))
        if after is not None:
            self._firewall.publish(self._rules(ports, after))
            self._names.relay(ports, after)

    def _restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        self._wired.close()
        self._bare.close()
        self._live.sweep()
        if self._settings.forwarding:
            self._links.enable_forwarding()
        self._bridges.restore(networks)
        rules: list[PortRule] = []
        for one in live:
            connection = self._adopt(one)
            target = port_target(list(connection.endpoints.values()))
            for port in self._ports.restore(one.container_id, connection.ports):
                _log.warning("another program has taken port %s/%s", port.host_port, port.protocol)
            if target is not None:
                rules += self._rules(connection.ports, target)
        networks_rules = [one for network in self._bridges.all() for one in network.rules]
        self._firewall.reset(networks_rules, rules)
        for one in live:
            self._listen(one)
        self._names.restore()
        self._remove_leftovers()
        self._guard.start()
        self._wired.start()
        self._bare.start()

    def _listen(self, one: LiveConnection) -> None:
        try:
            self._ports.listen(one.connection.ports)
        except PortTaken as taken:
            _log.warning("%s", taken)

    def _adopt(self, one: LiveConnection) -> Connection:
        """Know a running container again: lease its addresses, mend its interfaces."""
        endpoints: dict[str, Endpoint] = {}
        for name, recorded in one.connection.endpoints.items():
            network = self._bridges.find(recorded.network_id)
            if network is None:
                continue
            try:
                for address in addresses_of(recorded):
                    self._book.lease(recorded.network_id, str(address), version=address.version)
                endpoints[name] = self._mend(one, network, recorded)
            except (OSError, EngineError) as error:
                _log.error("cannot restore %s of %s: %s", name, one.container_id, error)
                endpoints[name] = recorded
        connection = msgspec.structs.replace(one.connection, endpoints=endpoints)
        self._live.add(LiveSandbox(one.container_id, connection, None))
        self._live.started(one.container_id, one.pid)
        return connection

    def _mend(self, one: LiveConnection, network: BridgeNetwork, endpoint: Endpoint) -> Endpoint:
        if network.sublink is not None or network.remote is not None:
            return endpoint  # it is inside, and goes with its sandbox
        link = self._links.find(endpoint.host_interface)
        if link is None:
            route = endpoint == gateway_endpoint(list(one.connection.endpoints.values()))
            with _inside(one.pid, None) as netlink, _namespace(one.pid, None) as namespace:
                return self._endpoints.put_back(
                    netlink, network, endpoint, namespace=namespace, route=route
                )
        if link.master != network.index:
            port = network.port
            self._links.attach(link.name, port.bridge, icc=port.icc, mtu=port.mtu)
        return endpoint

    def _remove_leftovers(self) -> None:
        keep = {network.options.bridge for network in self._bridges.all()}
        for network in self._bridges.all():
            if network.sublink is not None:
                keep |= {network.sublink.parent, f"{network.sublink.parent[:13]}-x"}
        for live in self._live.all():
            keep |= {one.host_interface for one in live.connection.endpoints.values()}
        for link in self._links.own():
            if link.name not in keep:
                self._links.delete([link.name])


@contextlib.contextmanager
def _namespace(pid: int, sandbox: Sandbox | None) -> Iterator[int]:
    """A descriptor of a running container's namespace."""
    if sandbox is not None and sandbox.namespace >= 0:
        namespace = os.dup(sandbox.namespace)
    else:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield namespace
    finally:
        os.close(namespace)


@contextlib.contextmanager
def _inside(pid: int, sandbox: Sandbox | None) -> Iterator[NetlinkSocket]:
    """A netlink socket in a running container's sandbox."""
    with _namespace(pid, sandbox) as namespace:
        netlink = netns.call_inside(namespace, lambda: NetlinkSocket(NETLINK_ROUTE))
    with netlink:
        yield netlink


def _shielded(future: Future[T]) -> Future[T]:
    """A future that follows another, and whose cancellation does not reach it."""
    follower: Future[T] = Future()

    def follow(done: Future[T]) -> None:
        if not follower.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            follower.set_exception(error)
        else:
            follower.set_result(done.result())

    future.add_done_callback(follow)
    return follower


def _revert(done: Future[T], undo: Callable[[T], object]) -> None:
    if done.exception() is None:
        try:
            undo(done.result())
        except OSError as error:
            _log.warning("cannot undo a cancelled change of the network: %s", error)
