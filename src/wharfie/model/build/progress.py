"""What a build tells while it runs; every caller renders it in its own way."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from wharfie.formats.digest import Digest


class VertexState(Struct, frozen=True, kw_only=True):
    """A vertex began or ended. Times are seconds since the epoch, None while not yet.

    Attributes:
        name: as shown ("[2/3] RUN make").
        cached: its result was there before.
        error: why it failed, "" otherwise.
    """

    digest: Digest
    name: str
    inputs: tuple[Digest, ...] = ()
    started: float | None = None
    completed: float | None = None
    cached: bool = False
    error: str = ""


class VertexStatus(Struct, frozen=True, kw_only=True):
    """How far a part of a vertex is (bytes of a layer, files of a context)."""

    vertex: Digest
    id: str
    current: int = 0
    total: int = 0
    started: float | None = None
    completed: float | None = None


class VertexLog(Struct, frozen=True, kw_only=True):
    """Output of a step: stream 1 is stdout, 2 is stderr."""

    vertex: Digest
    stream: int
    data: bytes
    time: float


BuildMessage = VertexState | VertexStatus | VertexLog


class ProgressSink(Protocol):
    """Takes what a build tells; never waits."""

    def tell(self, message: BuildMessage) -> None:
        """Take one message."""
