"""Ports of containers, published and taken back: held, redirected by the firewall, or relayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from wharfie.drivers.network.endpoints import addresses_of
from wharfie.drivers.network.firewall.ruleset import PortRule
from wharfie.drivers.network.live import LiveSandbox
from wharfie.drivers.network.naming import port_target
from wharfie.drivers.network.parts import NetworkParts
from wharfie.drivers.network.publishing.ports import PortTaken
from wharfie.drivers.network.publishing.rules import port_rules
from wharfie.model.errors import Conflict
from wharfie.model.ids import ContainerId
from wharfie.model.network import Endpoint, PortBinding, PublishedPort


class PublishedPorts:
    """What is published for whom, and the ways that lead there."""

    def __init__(self, parts: NetworkParts) -> None:
        self._parts = parts

    def rules(self, ports: Sequence[PublishedPort], target: Endpoint) -> list[PortRule]:
        return port_rules(ports, target, direct=self._parts.settings.direct_routing)

    def change(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> list[PublishedPort]:
        live = self._parts.live.require(container_id)
        endpoints = list(live.connection.endpoints.values())
        target = port_target(endpoints)
        if target is None:
            raise Conflict(f"container {name} has no network that ports can be published on")
        with ExitStack() as undo:
            added = self.publish(container_id, name, add, endpoints, undo)
            undo.pop_all()
        gone = self._parts.ports.owned(container_id, drop)
        self._parts.firewall.unpublish(self.rules(gone, target))
        self._parts.names.unrelay(gone)
        self._parts.ports.release(container_id, gone)
        kept = [port for port in live.connection.ports if port not in gone]
        return self._parts.live.publish(container_id, [*kept, *added])

    def publish(
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
        options = self._parts.bridges.by_id(target.network_id).options
        versions = [one.version for one in addresses_of(target)]
        try:
            ports = self._parts.ports.publish(
                owner,
                wishes,
                host_binding=options.host_binding,
                versions=versions,
                inside=[str(one) for one in addresses_of(target)],
                routed=[one for one in versions if options.mode(one) == "routed"],
            )
            undo.callback(self._parts.ports.release, owner, ports)
            rules = self.rules(ports, target)
            self._parts.firewall.publish(rules)
            undo.callback(self._parts.firewall.unpublish, rules)
            self._parts.ports.listen(ports)
            self._parts.names.relay(ports, target)
            undo.callback(self._parts.names.unrelay, ports)
        except PortTaken as taken:
            raise PortTaken(
                "driver failed programming external connectivity on endpoint "
                f"{name} ({target.id}): {taken}",
                own=taken.own,
            ) from None
        return ports

    def move(self, live: LiveSandbox, before: Endpoint | None) -> None:
        """Redirect a container's ports to the endpoint that is its way to the outside now."""
        ports = self._parts.ports.owned(live.container_id, live.connection.ports)
        after = port_target(list(live.connection.endpoints.values()))
        if not ports or before == after:
            return
        if before is not None:
            self._parts.firewall.unpublish(self.rules(ports, before))
        if after is not None:
            self._parts.firewall.publish(self.rules(ports, after))
            self._parts.names.relay(ports, after)
