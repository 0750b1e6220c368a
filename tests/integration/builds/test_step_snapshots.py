"""Layers made by steps: mounted, sealed, stood on before they have a name."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_store import FakeStore
from wharfie.drivers.snapshot import OverlaySnapshotter
from wharfie.model.errors import NotFound
from wharfie.model.ids import ChainId, Digest
from wharfie.model.snapshot import StepWriter

pytestmark = pytest.mark.root
A, B = ChainId("sha256:a"), ChainId("sha256:b")


@pytest.fixture
async def snapshots(tmp_path: Path) -> AsyncIterator[OverlaySnapshotter]:
    own = OverlaySnapshotter(str(tmp_path), FakeStore(), sync=False)
    await own.open()
    yield own
    await own.close()


async def write(step: StepWriter, name: str) -> None:
    root = await step.mount()
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=root)
        os.write(fd, name.encode())
        os.close(fd)
    finally:
        os.close(root)


async def names(step: StepWriter) -> set[str]:
    root = await step.mount()
    try:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    finally:
        os.close(root)
    try:
        return set(os.listdir(fd))
    finally:
        os.close(fd)


async def test_the_next_step_stands_on_a_layer_that_has_no_name_yet(
    snapshots: OverlaySnapshotter,
) -> None:
    one = await snapshots.begin_step(None)
    await write(one, "one")
    two = await snapshots.begin_step(await one.seal())
    await one.commit(chain_id=A, diff_id=Digest("sha256:a"), parent=None, size=3)
    await write(two, "two")
    assert await names(two) == {"one", "two"}
    await two.seal()
    record = await two.commit(chain_id=B, diff_id=Digest("sha256:x"), parent=A, size=3)
    assert record.parent == A
    assert os.listdir(snapshots.layer_directory(record)) == ["two"]


async def test_a_layer_that_is_there_already_goes_when_nobody_stands_on_it(
    snapshots: OverlaySnapshotter,
) -> None:
    first = await snapshots.begin_step(None)
    await first.seal()
    kept = await first.commit(chain_id=A, diff_id=Digest("sha256:a"), parent=None, size=0)
    again = await snapshots.begin_step(None)
    await write(again, "same")
    above = await snapshots.begin_step(await again.seal())
    directory = again.directory
    assert await again.commit(chain_id=A, diff_id=Digest("a"), parent=None, size=0) == kept
    assert await names(above) == {"same"}
    await above.abort()
    await snapshots.settle()
    assert not os.path.exists(directory)


async def test_a_step_without_its_parent_is_refused(snapshots: OverlaySnapshotter) -> None:
    with pytest.raises(NotFound):
        await snapshots.begin_step(A)


async def test_what_was_not_committed_is_swept(snapshots: OverlaySnapshotter) -> None:
    step = await snapshots.begin_step(None)
    await step.abort()
    await snapshots.settle()
    assert not os.path.exists(step.directory)
    assert not snapshots.layers()
