"""The byte store: objects under keys, which is all a storage driver has to know.

Keys are relative paths ("docker/registry/v2/blobs/sha256/ab/…/data") made by `storage/layout.py`
from checked names; a driver may trust them. An object appears under its key whole or not at all,
and is durable when the call returns. Everything else (blobs, uploads, manifests, tags, referrers)
is written once, over this.
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

    def is_sound(self, digest: str) -> bool:
        """Tell whether the bytes are those that were vouched for, as far as is known unread.

        False makes the registry read and hash them before they are served. A store that checks
        its objects itself says True.
        """

    def vouch(self, digest: str) -> None:
        """The bytes were just hashed and have this digest."""

    def doubt(self) -> None:
        """The bytes were just hashed and are broken: nobody vouches for them any more."""

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

    @property
    def is_live(self) -> bool:
        """True where what was appended can be read at once, and as often as one likes."""

    async def append(self, *pieces: bytes) -> None:
        """Add bytes; all of them are there when it returns, or none if it fails."""

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes that are there, e.g. to hash them after a restart."""

    async def publish(self, key: str, digest: str) -> None:
        """Give it its key, durably; an object that has it already is replaced. Ends it.

        Args:
            key: of the object.
            digest: what the bytes were found to have.
        """

    async def close(self) -> None:
        """Keep it for later, and free what it holds in this process."""


class ByteStore(Protocol):
    """A storage driver."""

    @property
    def is_exclusive(self) -> bool:
        """True where no other process writes, so that what was read may be remembered."""

    async def read(self, key: str, limit: int) -> bytes:
        """A small object whole, at most `limit` bytes of it; NoSuchKey."""

    async def write(self, *objects: tuple[str, bytes]) -> None:
        """Make or replace small objects, in this order: a crash leaves the first ones of them."""

    async def delete(self, *keys: str) -> None:
        """Remove objects, in this order; one that is not there is no error."""

    async def delete_below(self, prefix: str) -> None:
        """Remove every object whose key begins with `prefix` and a slash."""

    async def state(self, key: str) -> KeyState:
        """Size and time; NoSuchKey."""

    async def touch(self, key: str) -> None:
        """Set `modified` to now; one that is not there is no error."""

    async def names(self, prefix: str) -> Sequence[str]:
        """What stands directly below `prefix`, sorted; empty when nothing does."""

    async def holding(self, prefix: str, name: str) -> Sequence[str]:
        """Paths below `prefix` (relative to it, sorted) that directly hold `name`.

        `name` begins with an underscore; what stands below such names is not searched.
        """

    async def open(self, key: str) -> OpenObject:
        """An object for reading; NoSuchKey."""

    async def staging(self, key: str, *, fresh: bool) -> Staging:
        """Begin an object on its way, or open one that was begun; NoSuchKey when not `fresh`.

        Args:
            key: names the staging, not the object it becomes; `state`, `delete` and `names` see it.
            fresh: it is new.
        """

    async def move(self, key: str, to: str) -> None:
        """Rename an object, durably; NoSuchKey."""

    async def close(self) -> None:
        """Free what is held."""
