"""Pages of sorted names, and what is remembered of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.registry.ports.storage import ByteStore
from wharfie.registry.storage.local import open_local
from wharfie.registry.storage.tags import Tags, page


@given(st.sets(st.text("abc01", min_size=1, max_size=4)), st.integers(1, 5))
def test_pages_are_the_whole_in_order(names: set[str], size: int) -> None:
    listed = sorted(names)
    found: list[str] = []
    last, more = "", True
    while more:
        part, more = page(listed, last, size)
        assert len(part) <= size
        found += part
        last = part[-1] if part else last
    assert found == listed


def test_a_page_begins_behind_last_whether_it_is_there_or_not() -> None:
    names = ["a", "b", "d"]
    assert page(names, "b", 5) == (["d"], False)
    assert page(names, "c", 5) == (["d"], False)
    assert page(names, "z", 5) == ([], False)
    assert page(names, "", 0) == ([], True)


class Slow:
    """A store whose listing is slow enough for something to happen meanwhile."""

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self.gate = asyncio.Event()
        self.has_listed = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def names(self, prefix: str) -> object:
        found = await self._store.names(prefix)
        self.has_listed.set()
        await self.gate.wait()
        return found


@pytest.mark.parametrize(("elsewhere", "remembered"), [(False, False), (True, True)])
async def test_a_list_that_changed_while_it_was_read_is_not_remembered(
    tmp_path: Path, elsewhere: bool, remembered: bool
) -> None:
    store = open_local(str(tmp_path))
    slow = Slow(store)
    tags = Tags(cast(ByteStore, slow))
    digest = "sha256:" + "0" * 64
    await store.write(*tags.writes("a", "one", digest))
    reading = asyncio.ensure_future(tags.all("a"))
    await slow.has_listed.wait()
    await store.write(*tags.writes("a", "two", digest))
    tags.changed("b" if elsewhere else "a", "two")
    slow.gate.set()
    assert await reading == ["one"]
    assert await tags.all("a") == (["one"] if remembered else ["one", "two"])
    await store.close()
