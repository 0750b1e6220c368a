"""What was fetched from elsewhere, kept for the next build.

    <data-root>/build/fetched/<id>/about.json    what it is: `Fetched`
                                  /files/        its files
                             /new-<id>/          being fetched; deleted at start

An entry appears by rename, when it is whole. It is a cache: the least lately used go when there
are too many or they are too large.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
from msgspec import Struct, structs

from wharfie.kernel.trees import delete_tree, measure_tree
from wharfie.model.ids import generate_id

_ABOUT, _FILES, _NEW = "about.json", "files", "new-"
_MAX_ENTRIES = 500
_MAX_BYTES = 10 << 30


class Fetched(Struct, frozen=True, kw_only=True):
    """One entry.

    Attributes:
        address: where it came from, and whatever else tells entries of one place apart.
        digest: of its content ("sha256:…"), or the commit.
        etag, modified: as the server told.
        size: bytes of its files.
        used: seconds since the epoch.
    """

    id: str
    address: str
    digest: str
    etag: str = ""
    modified: str = ""
    size: int = 0
    used: float = 0.0


class FetchedStore:
    """Entries on disk; `open` before the first use."""

    def __init__(self, data_root: str) -> None:
        self._root = os.path.join(data_root, "build", "fetched")
        self._entries: dict[str, Fetched] = {}
        self._held: dict[str, int] = {}

    def open(self) -> None:
        """At start: read what is there, delete what is not whole; blocks."""
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        for name in os.listdir(self._root):
            path = os.path.join(self._root, name)
            try:
                with open(os.path.join(path, _ABOUT), "rb") as file:
                    entry = msgspec.json.decode(file.read(), type=Fetched)
            except (OSError, msgspec.MsgspecError):
                delete_tree(path)
                continue
            self._entries[name] = entry

    def directory(self, entry: Fetched) -> str:
        """Absolute path of its files."""
        return os.path.join(self._root, entry.id, _FILES)

    def find(self, address: str) -> Sequence[Fetched]:
        """Entries of an address, the last used first."""
        found = [entry for entry in self._entries.values() if entry.address == address]
        return sorted(found, key=lambda entry: -entry.used)

    def use(self, entry: Fetched) -> None:
        """It was of use just now."""
        if entry.id in self._entries:
            self._entries[entry.id] = structs.replace(entry, used=time.time())

    def hold(self, entry: Fetched) -> None:
        """Keep it until `release`."""
        self._held[entry.id] = self._held.get(entry.id, 0) + 1

    def release(self, entry: Fetched) -> None:
        """Hold it no more."""
        self._held[entry.id] -= 1
        if not self._held[entry.id]:
            del self._held[entry.id]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[str]:
        """A directory to put files into; dropped at the end unless `add` was called."""
        path = os.path.join(self._root, _NEW + generate_id())
        await asyncio.to_thread(os.makedirs, os.path.join(path, _FILES), 0o755)
        try:
            yield os.path.join(path, _FILES)
        finally:
            with suppress(FileNotFoundError):
                await asyncio.to_thread(delete_tree, path)

    async def add(self, directory: str, entry: Fetched) -> Fetched:
        """Make an entry of a directory from `begin`."""
        path = os.path.dirname(directory)

        def publish() -> Fetched:
            size = measure_tree(directory)
            made = structs.replace(entry, id=generate_id(), size=size, used=time.time())
            about = os.path.join(path, _ABOUT)
            with open(about, "wb") as file:
                file.write(msgspec.json.encode(made))
                file.flush()
                os.fsync(file.fileno())
            os.rename(path, os.path.join(self._root, made.id))
            return made

        made = await asyncio.to_thread(publish)
        self._entries[made.id] = made
        await self._bound()
        return made

    async def _bound(self) -> None:
        entries = sorted(self._entries.values(), key=lambda entry: entry.used)
        size = sum(entry.size for entry in entries)
        for entry in entries[:-1]:
            if len(self._entries) <= _MAX_ENTRIES and size <= _MAX_BYTES:
                return
            if entry.id not in self._held:
                size -= entry.size
                del self._entries[entry.id]
                await asyncio.to_thread(delete_tree, os.path.join(self._root, entry.id))
