"""The bridge driver: sandboxes on Linux bridges, ports redirected by nftables.

    sandbox eth0 ── veth ── bridge ── forward, postrouting ── outside
                              ▲            prerouting, output: published ports

The kernel's network lock can be held for long by others, so work goes to a few threads; only
what never waits runs on the event loop. A verb cut short by cancellation is undone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import TypeVar

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.bridges import Bridges
from wharfie.drivers.network.connections import Connections
from wharfie.drivers.network.departures import Departures
from wharfie.drivers.network.endpoints import (
    EndpointMaker,
)
from wharfie.drivers.network.firewall import Firewall, Guard
from wharfie.drivers.network.links import HostLinks
from wharfie.drivers.network.live import LiveSandbox, LiveSandboxes
from wharfie.drivers.network.naming import NameService, open_sockets, port_target
from wharfie.drivers.network.parts import NetworkParts
from wharfie.drivers.network.publishing.ports import PortAllocator
from wharfie.drivers.network.publishing.published import PublishedPorts
from wharfie.drivers.network.publishing.service import Service
from wharfie.drivers.network.restoration import Restoration
from wharfie.drivers.network.sandbox import Sandbox, SandboxFactory, SandboxPool
from wharfie.drivers.network.settings import NetworkSettings
from wharfie.kernel import netns
from wharfie.model.errors import EngineError, Internal
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
        with ExitStack() as undo:
            links = HostLinks(settings.owner)
            undo.callback(links.close)
            firewall = Firewall(
                settings.owner, adapt_forward=settings.adapt_forward, managed=settings.managed
            )
            undo.callback(firewall.close)
            self._factory = SandboxFactory(links, settings.userns)
            undo.pop_all()
        book = AddressBook(settings.pools)
        departures = Departures(links, book, grace=settings.grace)
        bridges = Bridges(links, book, firewall, settings)
        live = LiveSandboxes(settings.exec_root)
        ports = PortAllocator(Service(settings.managed, settings.relays))
        names = NameService(
            settings.exec_root,
            everybody=live.connections,
            is_internal=bridges.is_internal,
            sockets=self._name_sockets,
            relay_socket=ports.relay_socket,
        )
        self._parts = NetworkParts(
            settings=settings,
            links=links,
            firewall=firewall,
            book=book,
            bridges=bridges,
            endpoints=EndpointMaker(links, book, self._factory, departures),
            departures=departures,
            live=live,
            names=names,
            ports=ports,
        )
        self._published = PublishedPorts(self._parts)
        self._connections = Connections(self._parts, self._published)
        self._restoration = Restoration(self._parts, self._published)
        self._guard = Guard(firewall, names)
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
        parts = self._parts
        self._threads.shutdown()
        self._guard.close()
        parts.names.close()
        self._wired.close()
        self._bare.close()
        parts.departures.close()
        parts.live.close()
        parts.ports.close()
        self._factory.close()
        parts.firewall.close()
        parts.links.close()

    def addresses(self, network_id: NetworkId) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
        return self._parts.live.endpoints(network_id)

    def bridges(self) -> set[str]:
        """Names of the bridges that containers are on."""
        return {network.options.bridge for network in self._parts.bridges.all()}

    async def create(self, network: Network) -> Network:
        """See NetworkDriver; the default network also gets its bridge's name filled in."""
        return await self._run(
            lambda: self._parts.bridges.create(network), undo=self._parts.bridges.delete
        )

    async def delete(self, network: Network) -> None:
        """See NetworkDriver."""

        def delete() -> None:
            self._parts.departures.settle(network.id)
            self._parts.bridges.delete(network)

        await self._run(delete)

    async def restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        """See NetworkDriver; also begins to make sandboxes in advance."""
        await self._run(lambda: self._restore(networks, live))

    async def join(self, request: JoinRequest) -> Connection:
        """See NetworkDriver."""
        container_id = request.container_id
        if (left := self._parts.live.get(container_id)) is not None:
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
            lambda: self._connections.connect(container_id, pid, network, settings, resolving),
            undo=lambda made: self._connections.disconnect(container_id, pid, made),
        )

    async def disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        """See NetworkDriver."""
        await self._run(lambda: self._connections.disconnect(container_id, pid, endpoint))

    async def started(self, container_id: ContainerId, pid: int) -> None:
        """See NetworkDriver; the sandbox's link for tools appears."""
        self._parts.live.started(container_id, pid)

    async def publish(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> Sequence[PublishedPort]:
        """See NetworkDriver."""
        return await self._run(lambda: self._published.change(container_id, name, add, drop))

    async def renamed(self, container_id: ContainerId, connection: Connection) -> None:
        """See NetworkDriver."""

        def rename() -> None:
            if self._parts.live.rename(container_id, connection):
                self._parts.names.join(container_id, connection, None)

        await self._run(rename)

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """See NetworkDriver."""
        is_plain = all(one.host_interface for one in connection.endpoints.values())
        if connection.ports or connection.resolving is not None or not is_plain:
            await self._run(lambda: self._leave(container_id, connection))
        else:
            self._leave(container_id, connection)

    async def _run(self, action: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Run in a thread. When cancelled, what the thread did is undone before that is told."""
        future = self._threads.submit(action)
        try:
            return await asyncio.wrap_future(_shielded(future))
        except asyncio.CancelledError:
            if undo is not None and not future.cancel():
                await self._revert(future, undo)
            raise
        except OSError as error:
            raise Internal(f"network: {error.strerror or error}") from error

    async def _revert(self, begun: Future[T], undo: Callable[[T], object]) -> None:
        try:
            undoing = self._threads.submit(_revert, begun, undo)
        except RuntimeError:  # closed meanwhile, so it is done
            _revert(begun, undo)
        else:
            await asyncio.wrap_future(_shielded(undoing))

    def _join(self, request: JoinRequest) -> Connection:
        networks = [
            (self._parts.bridges.get(network), settings) for network, settings in request.networks
        ]
        outside = next((n for n, (one, _) in enumerate(networks) if not one.record.internal), None)
        with ExitStack() as undo:
            sandbox = (self._wired if networks else self._bare).take()
            undo.callback(sandbox.close)
            endpoints: dict[str, Endpoint] = {}
            for position, (network, settings) in enumerate(networks):
                endpoint = self._parts.endpoints.make(
                    sandbox.netlink,
                    network,
                    settings,
                    namespace=sandbox.namespace,
                    position=position,
                    spare=None if position or network.sublink or network.remote else sandbox.spare,
                    default_route=position == outside,
                )
                undo.callback(self._parts.departures.add, [endpoint])
                endpoints[network.record.name] = endpoint
            if networks:
                if networks[0][0].index >= 0 and networks[0][0].sublink is None:
                    self._factory.preferred = networks[0][0].port
                self._parts.firewall.check()
            ports = self._published.publish(
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
            self._parts.names.join(request.container_id, connection, fds)
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
        self._parts.live.add(LiveSandbox(container_id, connection, sandbox))
        return connection

    def _leave(self, container_id: ContainerId, connection: Connection) -> None:
        live = self._parts.live.pop(container_id, connection)
        if live is None:
            return
        endpoints = list(live.connection.endpoints.values())
        ports = self._parts.ports.owned(container_id, live.connection.ports)
        try:
            self._parts.names.leave(container_id, live.connection)
            self._parts.names.unrelay(ports)
            target = port_target(endpoints)
            if ports and target is not None:
                self._parts.firewall.unpublish(self._published.rules(ports, target))
        finally:
            self._parts.ports.release(container_id, ports)
            live.close()
            self._parts.departures.add(endpoints)
            self._parts.tell_plugins(endpoints)

    def _name_sockets(self, container_id: ContainerId) -> tuple[int, int]:
        return self._connections.name_sockets(container_id)

    def _restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        self._wired.close()
        self._bare.close()
        self._restoration.restore(networks, live)
        self._guard.start()
        self._wired.start()
        self._bare.start()


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


def _revert(begun: Future[T], undo: Callable[[T], object]) -> None:
    """Undo what was begun, once it is done."""
    wait([begun])
    if begun.exception() is None:
        try:
            undo(begun.result())
        except (OSError, EngineError) as error:
            _log.warning("cannot undo a cancelled change of the network: %s", error)
