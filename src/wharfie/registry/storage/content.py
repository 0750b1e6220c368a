"""The content of a registry: its nouns, over one byte store."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Sequence

from wharfie.registry.config.values import Config
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage import layout
from wharfie.registry.storage.blobs import Blobs
from wharfie.registry.storage.manifests import Manifests
from wharfie.registry.storage.pins import Pins
from wharfie.registry.storage.tags import Tags
from wharfie.registry.storage.turns import breathe
from wharfie.registry.storage.uploads import Uploads
from wharfie.registry.storage.usage import Usage

_TRIES = 20
_PAUSE = 0.05


class Content:
    """Everything that is kept.

    Attributes:
        store: where.
        pins: see `storage.pins`.
    """

    def __init__(self, store: ByteStore, config: Config) -> None:
        self.store = store
        self.pins = Pins()
        self.usage = Usage(store, config.storage.quotas)
        self.blobs = Blobs(store, self.pins, self.usage)
        self.tags = Tags(store)
        self.manifests = Manifests(
            store, self.blobs, self.tags, pins=self.pins, limits=config.limits
        )
        self.uploads = Uploads(
            store, self.blobs, pins=self.pins, usage=self.usage, limits=config.limits
        )
        self.catalogue = Catalogue(store)

    async def delete_blob(self, repository: str, digest: str) -> None:
        """Take a blob from a repository at a client's wish.

        Raises:
            NoSuchKey: it does not have it.
            Refused: UNSUPPORTED, a manifest there names it or somebody is pushing it.
        """
        if not await self.blobs.has(repository, digest):
            raise NoSuchKey(digest)
        for _ in range(_TRIES):
            with self.pins.reading() as turn:
                await self._check_unused(repository, digest)
                async with self.pins.claim(digest, turn) as claimed:
                    if claimed:
                        await self.blobs.unlink(repository, digest)
                        return
            await asyncio.sleep(_PAUSE)
        raise Refused(Code.UNSUPPORTED, "the blob is being pushed: try again later")

    async def _check_unused(self, repository: str, digest: str) -> None:
        for number, manifest in enumerate(await self.manifests.all(repository), 1):
            await breathe(number)
            try:
                document = await self.manifests.read(repository, manifest)
            except (NoSuchKey, Refused):
                continue
            if digest in document.digests:
                raise Refused(
                    Code.UNSUPPORTED,
                    f"the blob is part of {manifest}: delete that first",
                    detail={"digest": digest, "manifest": manifest},
                )

    async def close(self) -> None:
        """Free what is held."""
        await self.store.close()


class Catalogue:
    """The names of all repositories; read once from a store that is ours alone.

    Attributes:
        version: grows with every manifest that is pushed.
    """

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self._names: list[str] | None = None
        self._reading = asyncio.Lock()
        self._changes: list[str] = []
        self.version = 0

    async def all(self) -> Sequence[str]:
        """Every repository that has or had a manifest, sorted by byte."""
        if self._names is not None:
            return self._names
        async with self._reading:
            return await self._read()

    async def _read(self) -> Sequence[str]:
        if self._names is None:
            self._changes = []
            names = list(await self._store.holding(layout.REPOSITORIES, "_manifests"))
            for name in self._changes:
                _insert(names, name)
            if not self._store.is_exclusive:
                return names
            self._names = names
        return self._names

    def added(self, repository: str) -> None:
        """A repository has a manifest."""
        self.version += 1
        if self._names is not None:
            _insert(self._names, repository)
        elif self._reading.locked():
            self._changes.append(repository)

    def removed(self, repository: str, version: int) -> None:
        """A repository had no manifest any more, when it was looked at in this version."""
        if self._names is not None and version == self.version:
            at = bisect_left(self._names, repository)
            if at < len(self._names) and self._names[at] == repository:
                del self._names[at]

    async def has(self, repository: str) -> bool:
        """Tell whether a repository has, or had, a manifest."""
        if self._names is not None:
            at = bisect_left(self._names, repository)
            return at < len(self._names) and self._names[at] == repository
        return bool(await self._store.names(layout.manifests(repository)))


def _insert(names: list[str], name: str) -> None:
    at = bisect_left(names, name)
    if at == len(names) or names[at] != name:
        insort(names, name)


async def open_content(store: ByteStore, config: Config) -> Content:
    """Make the content of a store."""
    return Content(store, config)
