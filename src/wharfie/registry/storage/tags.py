"""Tags: names of manifests. What a tag was before stays in its index, as Docker's keeps it."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from wharfie.formats.digest import Digest, DigestError, parse_digest
from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage import layout
from wharfie.registry.storage.turns import breathe

_LINK = 256
_REMEMBERED = 512


class Tags:
    """The tags of all repositories."""

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self._lists: OrderedDict[str, Sequence[str]] = OrderedDict()
        self._readers = 0
        self._changes: dict[str, int] = {}

    async def get(self, repository: str, tag: str) -> Digest:
        """What a tag is; NoSuchKey when it is nothing."""
        return await self._link(layout.tag_current(repository, tag))

    async def pushed(self, repository: str, tag: str) -> float:
        """When a tag was last pushed, in seconds since the epoch; NoSuchKey."""
        return (await self._store.state(layout.tag_current(repository, tag))).modified

    def writes(self, repository: str, tag: str, digest: str) -> Sequence[tuple[str, bytes]]:
        """The objects that make `tag` be `digest`; `changed` is to be told once they are there."""
        data = digest.encode()
        return (
            (layout.tag_index(repository, tag, digest), data),
            (layout.tag_current(repository, tag), data),
        )

    def changed(self, repository: str, tag: str) -> None:
        """A tag was set: lists that lack it are out of date."""
        known = self._lists.get(repository)
        if known is None or not _holds(known, tag):
            self.forget(repository)

    async def delete(self, repository: str, tag: str) -> None:
        """Remove a tag, with what it was."""
        # The link goes first: what is left by a crash is no tag any more.
        await self._store.delete(layout.tag_current(repository, tag))
        self.forget(repository)
        await self._store.delete_below(layout.tag(repository, tag))

    async def all(self, repository: str) -> Sequence[str]:
        """Every tag of a repository, sorted by byte."""
        known = self._lists.get(repository)
        if known is not None:
            self._lists.move_to_end(repository)
            return known
        before = self._changes.setdefault(repository, 0)
        self._readers += 1
        try:
            found = await self._read(repository)
            is_current = self._changes[repository] == before
        finally:
            self._readers -= 1
            if not self._readers:
                self._changes.clear()
        if self._store.is_exclusive and is_current:
            self._lists[repository] = found
            if len(self._lists) > _REMEMBERED:
                self._lists.popitem(last=False)
        return found

    async def _read(self, repository: str) -> Sequence[str]:
        found: list[str] = []
        for number, name in enumerate(await self._store.names(layout.tags(repository)), 1):
            if await self._is_set(repository, name):
                found.append(name)
            await breathe(number)
        return found

    async def of(self, repository: str, digest: str) -> Sequence[str]:
        """The tags that are a manifest."""
        found: list[str] = []
        for number, tag in enumerate(await self.all(repository), 1):
            await breathe(number)
            try:
                if await self.get(repository, tag) == digest:
                    found.append(tag)
            except NoSuchKey:
                continue
        return found

    def forget(self, repository: str) -> None:
        """Read the list anew when next asked; one being read is not remembered."""
        if repository in self._changes:
            self._changes[repository] += 1
        self._lists.pop(repository, None)

    async def _is_set(self, repository: str, tag: str) -> bool:
        try:
            await self._store.state(layout.tag_current(repository, tag))
        except NoSuchKey:
            return False
        return True

    async def _link(self, key: str) -> Digest:
        data = await self._store.read(key, _LINK)
        try:
            return parse_digest(data.decode("ascii").strip())
        except (DigestError, UnicodeDecodeError):
            # An interrupted copy of a directory leaves such a thing; it names nothing.
            raise NoSuchKey(key) from None


def page(names: Sequence[str], last: str, limit: int) -> tuple[Sequence[str], bool]:
    """The names behind `last`, at most `limit`, and whether there are more."""
    start = bisect_right(names, last) if last else 0
    return names[start : start + limit], start + limit < len(names)


def _holds(names: Sequence[str], name: str) -> bool:
    at = bisect_right(names, name)
    return at > 0 and names[at - 1] == name
