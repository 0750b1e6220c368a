"""Streams whose bytes need not pass through the daemon: the kernel moves them (splice).

Whoever has such a stream may also read it as any other; whoever is given one looks whether it is
one, and where he cannot make use of that (TLS, say) reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class Piped(Protocol):
    """A stream of bytes that wait in a pipe.

    Attributes:
        pipe: its read end, non-blocking; valid once `waiting` has told of bytes.
    """

    pipe: int

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes as a stream."""

    async def waiting(self) -> int:
        """Wait for bytes; how many are in the pipe, 0 at the end. Those told are to be taken."""

    async def aclose(self) -> None:
        """Give the rest up."""


@runtime_checkable
class Pourable(Protocol):
    """A stream that can put its own bytes into a pipe."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes as a stream."""

    async def pour(self, pipe: int, timeout: float | None) -> None:
        """Put all bytes into a pipe.

        Args:
            pipe: its write end, non-blocking; the caller's to close.
            timeout: seconds nobody may read the pipe, None for any.

        Raises:
            BrokenPipeError: nobody will read the pipe any more.
            TimeoutError: nobody read for too long.
        """
