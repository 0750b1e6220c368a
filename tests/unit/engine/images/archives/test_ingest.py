"""Reading archives: who stops early leaves no thread at work on a file that is closed."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import AsyncIterator

from support.fake_content import FakeContentStore
from wharfie.engine.images.archives.ingest import inflated
from wharfie.model.archive import Limits


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_reader_that_leaves_leaves_no_thread() -> None:
    data = gzip.compress(os.urandom(1 << 20) * 24, 1)
    before = set(threading.enumerate())
    pieces = inflated(once(data), FakeContentStore(), Limits())
    assert len(await anext(pieces)) > 0
    await pieces.aclose()
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "_run" in thread.name]


async def test_a_reader_that_stays_gets_all() -> None:
    whole = os.urandom(3 << 20)
    for data in (whole, gzip.compress(whole, 1)):
        pieces = [piece async for piece in inflated(once(data), FakeContentStore(), Limits())]
        assert b"".join(pieces) == whole
