"""Connecting running containers to networks, and taking them off again."""

from __future__ import annotations

import contextlib

from wharfie.drivers.network.endpoints import gateway_endpoint
from wharfie.drivers.network.live import LiveSandbox
from wharfie.drivers.network.naming import open_sockets, port_target
from wharfie.drivers.network.parts import NetworkParts
from wharfie.drivers.network.publishing.published import PublishedPorts
from wharfie.drivers.network.sandbox import namespace_of, netlink_inside
from wharfie.formats.network import rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.netlink import GONE
from wharfie.model.ids import ContainerId
from wharfie.model.network import Endpoint, EndpointSettings, Network, Resolving


class Connections:
    """Changes of running containers' connections."""

    def __init__(self, parts: NetworkParts, published: PublishedPorts) -> None:
        self._parts = parts
        self._published = published

    def name_sockets(self, container_id: ContainerId) -> tuple[int, int]:
        live = self._parts.live.require(container_id)
        with namespace_of(live.pid, live.sandbox) as namespace:
            return netns.call_inside(namespace, lambda: open_sockets(again=True))

    def connect(
        self,
        container_id: ContainerId,
        pid: int,
        network: Network,
        settings: EndpointSettings,
        resolving: Resolving | None,
    ) -> Endpoint:
        bridge = self._parts.bridges.get(network)
        live = self._parts.live.require(container_id)
        before = gateway_endpoint(list(live.connection.endpoints.values()))
        ports_before = port_target(list(live.connection.endpoints.values()))
        with (
            netlink_inside(pid, live.sandbox) as netlink,
            namespace_of(pid, live.sandbox) as namespace,
        ):
            endpoint = self._parts.endpoints.make(
                netlink,
                bridge,
                settings,
                namespace=namespace,
                position=None,
                default_route=before is None,
            )
        is_new = resolving is not None and live.connection.resolving is None
        fds = self.name_sockets(container_id) if is_new else None
        connection = self._parts.live.connect(container_id, network.name, endpoint, resolving)
        self._parts.names.join(container_id, connection, fds)
        self._published.move(live, ports_before)
        return endpoint

    def disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        live = self._parts.live.get(container_id)
        if live is None or not self._parts.live.disconnect(container_id, endpoint.id):
            return
        old = gateway_endpoint([endpoint])
        ports_before = port_target([endpoint, *live.connection.endpoints.values()])
        new = gateway_endpoint(list(live.connection.endpoints.values()))
        if not endpoint.host_interface:
            with (
                contextlib.suppress(ProcessLookupError, FileNotFoundError),
                netlink_inside(pid, live.sandbox) as netlink,
            ):
                netlink.run([rtnetlink.delete_link(endpoint.interface)], ignore=GONE)
        self._parts.endpoints.remove(endpoint)
        self._parts.tell_plugins([endpoint])
        self._parts.names.part(container_id, [endpoint])
        self._parts.names.join(container_id, live.connection, None)
        if new is not None and old is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self._reroute(pid, live, new)
        self._published.move(live, ports_before)

    def _reroute(self, pid: int, live: LiveSandbox, new: Endpoint) -> None:
        with netlink_inside(pid, live.sandbox) as netlink:
            self._parts.endpoints.route(netlink, new)
