"""Blobs: bytes by digest, and which repository may have them.

A blob's bytes are there once; each repository that has it holds a link. The link's time says when
somebody last showed interest in it (pushed, mounted, was told that it is there): garbage
collection leaves it alone for a while after that.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator

from wharfie.registry.names import algorithm_of
from wharfie.registry.ports.storage import ByteStore, NoSuchKey, OpenObject
from wharfie.registry.storage import layout
from wharfie.registry.storage.hashing import Hashing
from wharfie.registry.storage.pins import Pins
from wharfie.registry.storage.usage import Usage

_log = logging.getLogger(__name__)
_TOUCH_AGAIN = 60.0
_MAX_TOUCHES = 100_000


class Blobs:
    """The blobs of all repositories."""

    def __init__(self, store: ByteStore, pins: Pins, usage: Usage) -> None:
        self._store = store
        self._pins = pins
        self._usage = usage
        self._touched: dict[str, float] = {}
        self._verifying: dict[str, asyncio.Lock] = {}

    async def has(self, repository: str, digest: str) -> bool:
        """Tell whether a repository has a blob."""
        try:
            await self._store.state(layout.layer(repository, digest))
            await self._store.state(layout.blob(digest))
        except NoSuchKey:
            return False
        return True

    async def size(self, digest: str) -> int:
        """Bytes of a blob, whoever has it; NoSuchKey."""
        return (await self._store.state(layout.blob(digest))).size

    async def open(self, repository: str, digest: str) -> OpenObject:
        """A repository's blob, its bytes verified; the caller closes it.

        Raises:
            NoSuchKey: the repository does not have it, or its bytes are broken.
        """
        await self._store.state(layout.layer(repository, digest))
        return await self.open_verified(digest)

    async def open_verified(self, digest: str) -> OpenObject:
        """A blob whoever has it; NoSuchKey where its bytes are not there or broken."""
        opened = await self._store.open(layout.blob(digest))
        try:
            if opened.is_sound(digest) or await self._verify_once(opened, digest):
                return opened
        except BaseException:
            opened.close()
            raise
        opened.close()
        raise NoSuchKey(layout.blob(digest))

    async def show_interest(self, repository: str, digest: str) -> bool:
        """Keep a blob for a while, for a client that is told of it; False when it is not there."""
        key = layout.layer(repository, digest)
        now = time.monotonic()
        if now - self._touched.get(key, -_TOUCH_AGAIN) < _TOUCH_AGAIN:
            return await self.has(repository, digest)
        async with self._pins.hold(digest):
            # Held, it cannot go any more; it may have gone just before.
            if not await self.has(repository, digest):
                return False
            await self._store.touch(key)
        if len(self._touched) >= _MAX_TOUCHES:
            self._touched.clear()
        self._touched[key] = now
        return True

    async def link(self, repository: str, digest: str) -> None:
        """Let a repository have a blob whose bytes are there; the caller holds a pin on it.

        Raises:
            NoSuchKey: its bytes are not there.
            Refused: DENIED, the repository's quota is used up.
        """
        size = await self.size(digest)
        key = layout.layer(repository, digest)
        if await self._exists(key):
            await self._store.touch(key)
            return
        await self._usage.check(repository, size)
        await self._store.write((key, digest.encode()))
        self._usage.add(repository, size)

    async def mount(self, repository: str, digest: str, source: str) -> bool:
        """Let a repository have another one's blob; False when that has none."""
        async with self._pins.hold(digest):
            if not await self.has(source, digest):
                return False
            # Broken bytes are not handed on.
            try:
                (await self.open_verified(digest)).close()
            except NoSuchKey:
                return False
            await self.link(repository, digest)
        return True

    async def unlink(self, repository: str, digest: str) -> None:
        """Take a blob from a repository; its bytes stay until garbage is collected."""
        key = layout.layer(repository, digest)
        try:
            size = await self.size(digest)
        except NoSuchKey:
            size = 0
        self._touched.pop(key, None)
        await self._store.delete(key)
        self._usage.add(repository, -size)

    async def remove(self, digest: str) -> int:
        """Remove a blob's bytes; the caller has claimed it. Returns how many."""
        try:
            size = await self.size(digest)
        except NoSuchKey:
            return 0
        await self._store.delete(layout.blob(digest))
        return size

    async def check(self, digest: str, *, rate: int = 0) -> bool:
        """Read and hash a blob whatever is known of it; False when it is broken.

        A broken one is moved away, so that the next push of it is stored. NoSuchKey.
        """
        opened = await self._store.open(layout.blob(digest))
        try:
            return await self._verify(opened, digest, rate=rate)
        finally:
            opened.close()

    async def _verify_once(self, opened: OpenObject, digest: str) -> bool:
        """Verify for everybody who asks meanwhile: many may want a blob nobody vouched for."""
        async with self._verifying.setdefault(digest, asyncio.Lock()):
            try:
                return opened.is_sound(digest) or await self._verify(opened, digest)
            finally:
                self._verifying.pop(digest, None)

    async def _verify(self, opened: OpenObject, digest: str, *, rate: int = 0) -> bool:
        found = await _hash(opened.read(0, opened.size), algorithm_of(digest), rate)
        if found == digest:
            opened.vouch(digest)
            return True
        _log.error(
            "blob %s is broken: its bytes have digest %s; it is set aside and not served",
            digest,
            found,
        )
        opened.doubt()
        await self._set_aside(digest)
        return False

    async def _set_aside(self, digest: str) -> None:
        """Move broken bytes away, unless somebody is using them or has replaced them already.

        Whoever uses them (a push, a mount) finds them broken as well; a push replaces them.
        """
        with self._pins.reading() as turn:
            async with self._pins.claim(digest, turn) as claimed:
                if claimed and not await self._is_sound_now(digest):
                    await self._store.move(layout.blob(digest), layout.quarantined(digest))

    async def _is_sound_now(self, digest: str) -> bool:
        try:
            opened = await self._store.open(layout.blob(digest))
        except NoSuchKey:
            return True
        try:
            return opened.is_sound(digest)
        finally:
            opened.close()

    async def _exists(self, key: str) -> bool:
        try:
            await self._store.state(key)
        except NoSuchKey:
            return False
        return True


async def _hash(chunks: AsyncIterator[bytes], algorithm: str, rate: int) -> str:
    hashing = Hashing(hashlib.new(algorithm))
    begun = time.monotonic()
    async for chunk in chunks:
        await hashing.add(chunk)
        if rate:
            await hashing.keep_to(rate, begun)
    return f"{algorithm}:{hashing.hexdigest()}"
