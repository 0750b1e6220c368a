"""What every Snapshotter must do, checked on the overlay one and on the fake."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from wharfie.drivers.snapshot import OverlaySnapshotter
from wharfie.model.errors import Conflict, Internal, NotFound
from wharfie.model.ids import ChainId, Digest, SnapshotKey
from wharfie.model.snapshot import LayerRecord, Snapshotter

A, B, C = ChainId("sha256:a"), ChainId("sha256:b"), ChainId("sha256:c")
KEY = SnapshotKey("container")


@pytest.fixture(
    params=[pytest.param("overlay", marks=pytest.mark.root), "fake"],
)
async def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Snapshotter]:
    if request.param == "fake":
        yield FakeSnapshotter()
        return
    real = OverlaySnapshotter(str(tmp_path), FakeStore(), sync=False)
    await real.open()
    yield real
    await real.close()


async def add(snapshots: Snapshotter, chain: ChainId, parent: ChainId | None = None) -> LayerRecord:
    writer = await snapshots.begin_layer()
    return await writer.commit(chain_id=chain, diff_id=Digest(chain), parent=parent, size=7)


async def test_a_layer_is_invisible_until_committed(snapshots: Snapshotter) -> None:
    writer = await snapshots.begin_layer()
    assert snapshots.layer(A) is None
    assert not snapshots.layers()
    record = await writer.commit(chain_id=A, diff_id=Digest("sha256:d"), parent=None, size=7)
    assert snapshots.layer(A) == record
    assert list(snapshots.layers()) == [record]
    assert (record.parent, record.size, record.diff_id) == (None, 7, "sha256:d")
    assert snapshots.layer_directory(record) == writer.directory


async def test_an_aborted_layer_is_gone(snapshots: Snapshotter) -> None:
    writer = await snapshots.begin_layer()
    await writer.abort()
    with pytest.raises(Internal):
        await writer.commit(chain_id=A, diff_id=Digest("d"), parent=None, size=0)
    assert not snapshots.layers()


async def test_the_first_of_two_equal_layers_is_kept(snapshots: Snapshotter) -> None:
    slow = await snapshots.begin_layer()
    first = await add(snapshots, A)
    assert await slow.commit(chain_id=A, diff_id=Digest("d"), parent=None, size=0) == first
    assert list(snapshots.layers()) == [first]


async def test_a_child_may_be_filled_before_its_parent_is_committed(snapshots: Snapshotter) -> None:
    child = await snapshots.begin_layer()
    await add(snapshots, A)
    assert (await child.commit(chain_id=B, diff_id=Digest("b"), parent=A, size=0)).parent == A


async def test_a_layer_without_its_parent_is_refused(snapshots: Snapshotter) -> None:
    with pytest.raises(NotFound):
        await add(snapshots, B, A)
    assert not snapshots.layers()


async def test_what_is_stood_on_stays(snapshots: Snapshotter) -> None:
    await add(snapshots, A)
    await add(snapshots, B, A)
    with pytest.raises(Conflict):
        await snapshots.remove_layer(A)
    await snapshots.prepare(KEY, B)
    with pytest.raises(Conflict):
        await snapshots.remove_layer(B)
    await snapshots.remove(KEY)
    await snapshots.remove_layer(B)
    await snapshots.remove_layer(A)
    await snapshots.remove_layer(A)
    assert not snapshots.layers()


async def test_keys_are_taken_once(snapshots: Snapshotter) -> None:
    await snapshots.prepare(KEY, None)
    with pytest.raises(Conflict):
        await snapshots.prepare(KEY, None)


async def test_a_snapshot_needs_its_parent(snapshots: Snapshotter) -> None:
    with pytest.raises(NotFound):
        await snapshots.prepare(KEY, A)
    with pytest.raises(NotFound):
        await snapshots.mount(KEY)
    with pytest.raises(NotFound):
        await snapshots.view(A)
    for verb in (snapshots.usage, snapshots.changes):
        with pytest.raises(NotFound):
            await verb(KEY)
    with pytest.raises(NotFound):
        snapshots.paths(KEY)


async def test_the_topmost_layer_comes_first(snapshots: Snapshotter) -> None:
    records = [await add(snapshots, A), await add(snapshots, B, A), await add(snapshots, C, B)]
    await snapshots.prepare(KEY, C)
    expected = [snapshots.layer_directory(record) for record in reversed(records)]
    assert snapshots.paths(KEY).lower == expected


async def test_mounts_are_descriptors(snapshots: Snapshotter) -> None:
    await add(snapshots, A)
    await snapshots.prepare(KEY, A)
    for fd in (await snapshots.mount(KEY), await snapshots.view(A)):
        os.close(fd)


async def test_the_sweep_keeps_what_it_is_told(snapshots: Snapshotter) -> None:
    await add(snapshots, A)
    other = SnapshotKey("other")
    await snapshots.prepare(KEY, A)
    await snapshots.prepare(other, A)
    await snapshots.sweep([KEY])
    assert snapshots.paths(KEY)
    with pytest.raises(NotFound):
        snapshots.paths(other)
    await snapshots.prepare(other, A)
    assert snapshots.layer(A)


async def test_removing_twice_is_removing_once(snapshots: Snapshotter) -> None:
    await snapshots.prepare(KEY, None)
    await snapshots.remove(KEY)
    await snapshots.remove(KEY)
    await snapshots.prepare(KEY, None)


async def test_a_damaged_layer_is_replaced(snapshots: Snapshotter) -> None:
    damaged = await add(snapshots, A)
    child = await add(snapshots, B, A)
    writer = await snapshots.begin_layer()
    replaced = await writer.replace(damaged)
    await writer.abort()
    assert snapshots.layer(A) == replaced
    assert snapshots.layer(B) == child
    assert (replaced.size, replaced.diff_id) == (damaged.size, damaged.diff_id)
    assert snapshots.layer_directory(replaced) == writer.directory


async def test_a_layer_that_went_meanwhile_is_not_replaced(snapshots: Snapshotter) -> None:
    damaged = await add(snapshots, A)
    await snapshots.remove_layer(A)
    writer = await snapshots.begin_layer()
    with pytest.raises(NotFound):
        await writer.replace(damaged)
    await writer.abort()
    assert not snapshots.layers()
