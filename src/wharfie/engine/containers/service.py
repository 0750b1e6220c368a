"""The verbs of a container's life.

One lock per container, taken by verbs that change it, never by reads: `get`, `list` and
`inspect` see the immutable record that each commit replaces.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from msgspec import Struct, field

from wharfie.model.container import (
    Container,
    Created,
    CreateSpec,
    ExitStatus,
    WaitCondition,
)
from wharfie.model.filters import ContainerFilters, PruneFilters


class Pruned(Struct, frozen=True):
    """What a prune removed; bytes reclaimed."""

    deleted: list[str] = field(default_factory=list)
    reclaimed: int = 0


class Processes(Struct, frozen=True):
    """Processes of a container, as `ps` prints them."""

    titles: list[str]
    processes: list[list[str]]


class Containers:
    """Verbs on containers. `ref` is a full ID, an unambiguous ID prefix, or a name."""

    def get(self, ref: str) -> Container:
        """The present record.

        Raises:
            NoSuchContainer: nothing matches.
            AmbiguousReference: a prefix matches several.
        """
        raise NotImplementedError

    def select(
        self,
        *,
        filters: ContainerFilters,
        all_: bool = False,
        limit: int = 0,
    ) -> Sequence[Container]:
        """Containers newest first; running ones only unless `all_`, `limit` or a state filter."""
        raise NotImplementedError

    async def create(self, spec: CreateSpec) -> Created:
        """Record a new container with its writable layer; see Engine API ContainerCreate."""
        raise NotImplementedError

    async def start(self, ref: str) -> None:
        """Start a created or exited container.

        Raises:
            NotModified: it runs already.
            StartFailed: its process cannot run.
        """
        raise NotImplementedError

    async def stop(
        self, ref: str, *, grace: float | None = None, signal: str | None = None
    ) -> None:
        """Stop a running container; NotModified for a stopped one.

        Args:
            ref: which container.
            grace: seconds before SIGKILL; -1 waits for ever; None takes the container's.
            signal: first signal; None takes the container's StopSignal.
        """
        raise NotImplementedError

    async def restart(
        self, ref: str, *, grace: float | None = None, signal: str | None = None
    ) -> None:
        """Stop if running, then start."""
        raise NotImplementedError

    async def kill(self, ref: str, *, signal: str = "") -> None:
        """Send a signal (default SIGKILL, which also waits for the end up to 10 s)."""
        raise NotImplementedError

    async def pause(self, ref: str) -> None:
        """Freeze a running container."""
        raise NotImplementedError

    async def unpause(self, ref: str) -> None:
        """Thaw a paused container."""
        raise NotImplementedError

    async def rename(self, ref: str, name: str) -> None:
        """Give another name (a leading slash is dropped)."""
        raise NotImplementedError

    async def remove(
        self, ref: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Remove a container; a running one only by force. `volumes`: anonymous ones too."""
        raise NotImplementedError

    async def prune(self, filters: PruneFilters) -> Pruned:
        """Remove all stopped containers."""
        raise NotImplementedError

    def wait(self, ref: str, condition: WaitCondition) -> Awaitable[ExitStatus]:
        """Register a waiter, at once; the returned awaitable ends when the condition holds."""
        raise NotImplementedError

    async def top(self, ref: str, ps_args: str) -> Processes:
        """Processes of a running container, by the host's `ps`."""
        raise NotImplementedError

    async def resize(self, ref: str, *, rows: int, columns: int) -> None:
        """Set the size of a running container's terminal."""
        raise NotImplementedError

    async def size(self, ref: str) -> tuple[int, int]:
        """Bytes of the writable layer, and of the whole root file system."""
        raise NotImplementedError
