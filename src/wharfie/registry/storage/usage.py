"""How much each repository holds, and how much it may: quotas.

A repository's size is the sum of its blobs', each counted once however many manifests name it.
It is added up when it is first asked for, and followed from there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from wharfie.formats.units import human_size
from wharfie.registry.config.values import Quota
from wharfie.registry.errors import Code, Refused
from wharfie.registry.patterns import repository_matcher
from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage import layout
from wharfie.registry.storage.turns import breathe


class Usage:
    """Sizes of repositories."""

    def __init__(self, store: ByteStore, quotas: Sequence[Quota]) -> None:
        self._store = store
        self._quotas = [(repository_matcher(one.repositories), one.size) for one in quotas]
        self._sizes: dict[str, int] = {}
        self._adding: dict[str, asyncio.Lock] = {}

    def quota(self, repository: str) -> int | None:
        """Bytes a repository may hold, None for any number."""
        return next((size for matches, size in self._quotas if matches(repository)), None)

    async def size(self, repository: str) -> int:
        """Bytes a repository holds."""
        known = self._sizes.get(repository)
        if known is not None:
            return known
        async with self._adding.setdefault(repository, asyncio.Lock()):
            if repository not in self._sizes:
                self._sizes[repository] = await self._add_up(repository)
        self._adding.pop(repository, None)
        return self._sizes[repository]

    async def check(self, repository: str, more: int) -> None:
        """Refuse what does not fit any more.

        Raises:
            Refused: DENIED.
        """
        quota = self.quota(repository)
        if quota is None:
            return
        size = await self.size(repository)
        if size + more > quota:
            raise Refused(
                Code.DENIED,
                f"quota exceeded: {repository} holds {human_size(size)} of "
                f"{human_size(quota)}, {human_size(more)} more do not fit",
                detail={"quota": quota, "used": size, "wanted": more},
            )

    async def room(self, repository: str) -> int:
        """Bytes that still fit."""
        quota = self.quota(repository)
        return sys.maxsize if quota is None else max(0, quota - await self.size(repository))

    def add(self, repository: str, size: int) -> None:
        """A blob came (or, negative, went)."""
        if repository in self._sizes:
            self._sizes[repository] = max(0, self._sizes[repository] + size)

    def forget(self) -> None:
        """Add up anew when next asked: much has changed."""
        self._sizes.clear()

    async def _add_up(self, repository: str) -> int:
        total = 0
        top = layout.layers(repository)
        for algorithm in await self._store.names(top):
            for number, encoded in enumerate(await self._store.names(f"{top}/{algorithm}"), 1):
                await breathe(number)
                try:
                    found = await self._store.state(layout.blob(f"{algorithm}:{encoded}"))
                except NoSuchKey:
                    continue
                total += found.size
        return total
