"""The byte store: objects under keys, which is all a storage driver has to know.

Keys are relative paths ("blobs/sha256/ab/…/data") made by `storage/layout.py` from checked
names; a driver may trust them. An object appears under its key whole or not at all, and is
durable when the call returns. Everything else (blobs, uploads, manifests, tags, referrers) is
written once, over this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct


class NoSuchKey(Exception):
    """No object has this key."""


class KeyState(Struct, frozen=True):
    """What a store tells of an object; `modified` in seconds since the epoch."""

    size: int
    modified: float


class OpenObject(Protocol):
    """An object open for reading; it stays readable when its key goes away meanwhile."""

    @property
    def size(self) -> int:
        """Bytes of the whole."""

    @property
    def descriptor(self) -> int:
        """An open file for `sendfile`, -1 where there is none."""

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes from `start` up to, not including, `end`."""

    def close(self) -> None:
        """Give it back."""


class Staging(Protocol):
    """An object on its way: bytes are added at the end, then it is given a key.

    It survives a restart of the registry: `ByteStore.staging` opens it again.
    """

    @property
    def size(self) -> int:
        """Bytes that are there."""

    async def append(self, data: bytes) -> None:
        """Add bytes."""

    async def truncate(self, size: int) -> None:
        """Forget what stands behind `size`."""

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes that are there, e.g. to hash them after a restart."""

    async def publish(self, key: str) -> None:
        """Give it its key, durably; an object that has it already is replaced. Ends it."""

    async def discard(self) -> None:
        """Forget it. Ends it."""

    async def close(self) -> None:
        """Keep it for later, and free what it holds in this process."""


class ByteStore(Protocol):
    """A storage driver.

    Attributes:
        is_exclusive: no other process writes here, so that what was read may be remembered.
    """

    is_exclusive: bool

    async def read(self, key: str, limit: int) -> bytes:
        """A small object whole, at most `limit` bytes of it; NoSuchKey."""

    async def write(self, key: str, data: bytes) -> None:
        """Make or replace a small object."""

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    async def delete_below(self, prefix: str) -> None:
        """Remove every object whose key begins with `prefix` and a slash."""

    async def state(self, key: str) -> KeyState:
        """Size and time; NoSuchKey."""

    async def touch(self, key: str) -> None:
        """Set `modified` to now; one that is not there is no error."""

    async def names(self, prefix: str) -> Sequence[str]:
        """What stands directly below `prefix`, sorted; empty when nothing does."""

    async def open(self, key: str) -> OpenObject:
        """An object for reading; NoSuchKey."""

    async def staging(self, key: str, *, fresh: bool) -> Staging:
        """Begin an object on its way, or open one that was begun; NoSuchKey when not `fresh`.

        Args:
            key: names the staging, not the object it becomes.
            fresh: it is new.
        """

    async def move(self, key: str, to: str) -> None:
        """Rename an object, durably; NoSuchKey."""

    async def is_sound(self, key: str, digest: str) -> bool:
        """Tell whether an object still has its digest, as far as that is known without reading.

        False makes the registry read and hash it before it is served.
        """

    async def vouch(self, key: str, digest: str) -> None:
        """The object's bytes were just hashed and have this digest: see `is_sound`."""

    async def close(self) -> None:
        """Free what is held."""
