"""Stores of build contexts for tests, and the client's side of the dialog about one."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wharfie.drivers.archive import JailArchiver, JailContexts
from wharfie.drivers.context import LocalContextStore
from wharfie.formats.session import manifest
from wharfie.formats.session.manifest import Entry
from wharfie.model.archive import Limits


@asynccontextmanager
async def open_store(
    directory: Path, limits: Limits | None = None, keep: int = 1 << 30
) -> AsyncIterator[LocalContextStore]:
    """A store with real workers."""
    archiver = JailArchiver()
    await archiver.open()
    store = LocalContextStore(str(directory), JailContexts(archiver, limits or Limits()), keep=keep)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        await archiver.close()


def entry(path: str, content: bytes, *, mode: int = 0o644, mtime: int = 1_000_000_000) -> Entry:
    """A file's entry."""
    digest = hashlib.sha256(content).hexdigest()
    return Entry(
        manifest.FILE,
        os.fsencode(path),
        mode=mode,
        mtime=mtime,
        size=len(content),
        digest=digest,
    )


class Sender:
    """A client that holds some files; counts what it sends."""

    def __init__(self, files: dict[str, bytes], *others: Entry, mtime: int = 10**18) -> None:
        self.contents = files
        self.entries = sorted(
            [*(entry(path, data, mtime=mtime) for path, data in files.items()), *others],
            key=lambda one: one.path,
        )
        self.sent_blocks = 0
        self.sent_files: list[str] = []
        self.sent = 0
        self._blocks = list(manifest.blocks(self.entries))
        self._out: list[bytes] = []
        self._say(manifest.encode_digests([manifest.digest_of(one) for one in self._blocks]))
        self._is_done = False

    def _say(self, data: bytes) -> None:
        self.sent += len(data)
        self._out.append(data)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._out:
                yield self._out.pop(0)
            if self._is_done:
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def tell(self, message: bytes) -> None:
        tag, numbers, last = manifest.decode_wanted(message)
        for number in numbers:
            if tag == manifest.WANT_BLOCKS:
                self.sent_blocks += 1
                self._say(self.spell_block(self._blocks[number]))
            else:
                path = os.fsdecode(self.entries[number].path)
                self.sent_files.append(path)
                self._say(self.content(path))
        self._is_done = last and tag == manifest.WANT_FILES
        if not self._wake.done():
            self._wake.set_result(None)

    def spell_block(self, block: bytes) -> bytes:
        return manifest.encode_block(block)

    def content(self, path: str) -> bytes:
        return self.contents[path]


def too_long_block() -> bytes:
    """What claims to be a huge block."""
    return struct.pack(">I", manifest.MAX_BLOCK + 1)
