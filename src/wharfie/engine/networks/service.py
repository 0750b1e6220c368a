"""Verbs on networks. Source: behaviours 8, 152–163."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from wharfie.model.filters import NetworkFilters, PruneFilters
from wharfie.model.ids import ContainerId
from wharfie.model.network import IPAM, Connection, Endpoint, JoinRequest, Network


class NetworkCreate(Struct, rename="pascal", frozen=True, kw_only=True):
    """Body of a network create."""

    name: str = ""
    driver: str = ""
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    enable_ipv4: bool | None = field(default=None, name="EnableIPv4")
    enable_ipv6: bool = field(default=False, name="EnableIPv6")
    ipam: IPAM | None = field(default=None, name="IPAM")
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Networks:
    """Networks and the live connections of containers to them.

    The engine's containers call `join`, `started` and `leave`; connections are recorded in the
    same transaction as the container's state by the caller, `live` is what is connected now.
    """

    async def open(self, live: Mapping[ContainerId, tuple[int, Connection]]) -> None:
        """At start: load records, make the default networks, restore host state for `live`.

        Args:
            live: running containers' pid and recorded connection.
        """
        raise NotImplementedError

    def get(self, ref: str) -> Network:
        """By full ID, name, or unambiguous ID prefix; NoSuchNetwork when missing."""
        raise NotImplementedError

    def select(self, filters: NetworkFilters) -> Sequence[Network]:
        """Networks, newest last."""
        raise NotImplementedError

    def endpoints(self, network: Network) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
        raise NotImplementedError

    async def create(self, request: NetworkCreate) -> Network:
        """Make a user-defined network."""
        raise NotImplementedError

    async def remove(self, ref: str) -> None:
        """Delete a network nobody is connected to; predefined ones are Forbidden."""
        raise NotImplementedError

    async def prune(self, filters: PruneFilters) -> Sequence[str]:
        """Delete unused user-defined networks; their names."""
        raise NotImplementedError

    async def join(self, request: JoinRequest) -> Connection:
        """Make and connect a starting container's sandbox; see NetworkDriver.join."""
        raise NotImplementedError

    async def started(self, container_id: ContainerId, pid: int, connection: Connection) -> None:
        """The container's process holds the sandbox now."""
        raise NotImplementedError

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """The container ended or could not start; idempotent."""
        raise NotImplementedError
