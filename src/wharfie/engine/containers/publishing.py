"""Published ports of a container, changed while it runs. Not in Docker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field, structs

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.networking import connected, parse_mode, with_protocol
from wharfie.engine.networks import Networks
from wharfie.model.container import Container
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.lifecycle import has_process
from wharfie.model.network import Connection, PortBinding, PublishedPort


class PortChange(Struct, rename="pascal", frozen=True, kw_only=True):
    """What to publish and what to publish no more, by container port ("80/tcp").

    Attributes:
        remove: bindings by host port and address, as far as they are named; none for all of them.
    """

    add: dict[str, list[PortBinding] | None] = field(default_factory=dict)
    remove: dict[str, list[PortBinding] | None] = field(default_factory=dict)


class Publishing:
    """The verb that changes published ports."""

    def __init__(self, *, catalogue: Catalogue, ledger: Ledger, networks: Networks) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._networks = networks

    async def change(self, ref: str, change: PortChange) -> None:
        """Publish some ports, and some no more; all of it happens or nothing.

        What is published stays so over restarts of the container.

        Raises:
            NoSuchContainer: nothing matches.
            NotFound: a port to be removed is not published.
            InvalidArgument: a port that is none, or a network mode without ports.
            Internal: a port is taken (Docker's wording).
        """
        handle = self._catalogue.find(ref)
        async with handle.lock:
            record, connection = handle.record, handle.connection
            kind = parse_mode(record.host_config.network_mode).kind
            if kind != "network":
                raise InvalidArgument(
                    f"ports of a container of network mode {kind} are not its own"
                )
            wished = _rest(record, change.remove)
            added = {with_protocol(port): list(some or [PortBinding()])
                     for port, some in change.add.items()}  # fmt: skip
            for port, some in added.items():
                wished[port] = [*wished.get(port, []), *some]
            host = structs.replace(record.host_config, port_bindings=dict(wished))
            record = structs.replace(record, host_config=host)
            if connection is not None and has_process(record.state.status):
                dropped = _live(connection, change.remove)
                ports = await self._networks.publish(record.id, record.name, added, dropped)
                connection = structs.replace(connection, ports=list(ports))
                record = connected(record, connection)
                await self._ledger.save_connected(handle, record, connection, durable=True)
            else:
                await self._ledger.save(handle, record, durable=True)
        self._ledger.publish(handle.record, "update")


def _rest(
    record: Container, remove: Mapping[str, list[PortBinding] | None]
) -> dict[str, list[PortBinding]]:
    """The bindings of a container's record without those to be removed."""
    wished = {
        with_protocol(port): list(bindings or [PortBinding()])
        for port, bindings in (record.host_config.port_bindings or {}).items()
    }
    for spec, bindings in remove.items():
        port = with_protocol(spec)
        present = wished.pop(port, [])
        rest = [one for one in present if not _is_meant(one.host_ip, one.host_port, bindings)]
        if len(rest) == len(present):
            raise NotFound(f"port {port} of container {record.name} is not published like this")
        if rest:
            wished[port] = rest
    return wished


def _live(
    connection: Connection, remove: Mapping[str, list[PortBinding] | None]
) -> Sequence[PublishedPort]:
    meant = {with_protocol(port): bindings for port, bindings in remove.items()}
    return [
        one
        for one in connection.ports
        if (key := f"{one.container_port}/{one.protocol}") in meant
        and _is_meant(one.host_ip, str(one.host_port), meant[key])
    ]


def _is_meant(host_ip: str, host_port: str, bindings: list[PortBinding] | None) -> bool:
    return not bindings or any(
        one.host_port in ("", host_port) and one.host_ip in ("", host_ip) for one in bindings
    )
