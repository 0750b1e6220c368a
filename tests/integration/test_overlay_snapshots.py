"""The overlay snapshotter on the real kernel, with the new mount calls and the old."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_store import FakeStore
from wharfie.drivers.snapshot import OverlaySnapshotter
from wharfie.model.errors import Internal
from wharfie.model.ids import ChainId, Digest, SnapshotKey
from wharfie.model.snapshot import Change

pytestmark = pytest.mark.root

KEY = SnapshotKey("container")
TOP = ChainId("sha256:top")


@pytest.fixture(params=[False, True], ids=["fsopen", "mount2"])
async def snapshots(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[OverlaySnapshotter]:
    real = OverlaySnapshotter(
        str(tmp_path), FakeStore(), legacy_mount=bool(request.param), sync=False
    )
    await real.open()
    yield real
    await real.close()


async def layer(
    snapshots: OverlaySnapshotter,
    files: dict[str, str | None],
    chain: ChainId = TOP,
    parent: ChainId | None = None,
) -> None:
    """Add a layer; None makes a whiteout, a name ending in "/" a directory."""
    writer = await snapshots.begin_layer()
    for name, content in files.items():
        path = Path(writer.directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif content is None:
            os.mknod(path, stat.S_IFCHR, 0)
        else:
            path.write_text(content)
    await writer.commit(chain_id=chain, diff_id=Digest(chain), parent=parent, size=0)


class Mounted:
    """An open detached mount; paths in it go through its descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.root = Path(f"/proc/self/fd/{fd}")

    def __enter__(self) -> Path:
        return self.root

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


async def test_layers_are_merged_and_written_above(snapshots: OverlaySnapshotter) -> None:
    base = ChainId("sha256:base")
    await layer(snapshots, {"etc/a": "1", "etc/b": "1", "gone": "x"}, base)
    await layer(snapshots, {"etc/b": "2", "gone": None}, TOP, base)
    await snapshots.prepare(KEY, TOP)
    with Mounted(await snapshots.mount(KEY)) as root:
        assert (root / "etc/a").read_text() == "1"
        assert (root / "etc/b").read_text() == "2"
        assert not (root / "gone").exists()
        (root / "etc/a").write_text("mine")
    with Mounted(await snapshots.mount(KEY)) as root:
        assert (root / "etc/a").read_text() == "mine"
    with Mounted(await snapshots.view(TOP)) as root:
        assert (root / "etc/a").read_text() == "1"
    assert Path(snapshots.paths(KEY).upper, "etc/a").read_text() == "mine"


async def test_nobody_sees_the_mount(snapshots: OverlaySnapshotter, tmp_path: Path) -> None:
    await snapshots.prepare(KEY, None)
    before = Path("/proc/self/mountinfo").read_text()
    with Mounted(await snapshots.mount(KEY)) as root:
        (root / "x").write_text("x")
        assert Path("/proc/self/mountinfo").read_text() == before
    assert not list((tmp_path / "tmp").iterdir())


async def test_read_only_mounts_refuse_writing(snapshots: OverlaySnapshotter) -> None:
    await layer(snapshots, {"a": "1"})
    await snapshots.prepare(KEY, TOP)
    for fd in (await snapshots.mount(KEY, read_only=True), await snapshots.view(TOP)):
        with Mounted(fd) as root, pytest.raises(OSError, match="Read-only"):
            (root / "a").write_text("2")


async def test_whiteouts_of_a_single_layer_do_not_show(snapshots: OverlaySnapshotter) -> None:
    await layer(snapshots, {"a": "1", "b": None})
    with Mounted(await snapshots.view(TOP)) as root:
        assert sorted(path.name for path in root.iterdir()) == ["a"]


async def test_a_hundred_and_thirty_layers(snapshots: OverlaySnapshotter) -> None:
    parent: ChainId | None = None
    for number in range(130):
        chain = ChainId(f"sha256:{number}")
        await layer(snapshots, {f"f{number}": str(number), "last": str(number)}, chain, parent)
        parent = chain
    await snapshots.prepare(KEY, parent)
    with Mounted(await snapshots.mount(KEY)) as root:
        assert (root / "last").read_text() == "129"
        assert (root / "f0").read_text() == "0"
        assert len(list(root.iterdir())) == 131
    assert parent is not None
    with Mounted(await snapshots.view(parent)) as root:
        assert (root / "f64").read_text() == "64"


async def test_a_kernel_that_refuses_is_quoted(snapshots: OverlaySnapshotter) -> None:
    await snapshots.prepare(KEY, None)
    os.rmdir(snapshots.paths(KEY).work)
    with pytest.raises(Internal, match="cannot mount overlay"):
        await snapshots.mount(KEY)


async def test_the_root_directory_looks_like_the_images(snapshots: OverlaySnapshotter) -> None:
    writer = await snapshots.begin_layer()
    os.chmod(writer.directory, 0o1750)
    os.chown(writer.directory, 7, 8)
    await writer.commit(chain_id=TOP, diff_id=Digest("d"), parent=None, size=0)
    await snapshots.prepare(KEY, TOP)
    with Mounted(await snapshots.mount(KEY)) as root:
        status = root.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1750, 7, 8)


async def test_changes(snapshots: OverlaySnapshotter) -> None:
    base = ChainId("sha256:base")
    await layer(
        snapshots,
        {"etc/a": "1", "etc/b": "1", "opt/x/y": "1", "opt/x/z": "1", "file": "1", "sub/s": ""},
        base,
    )
    await layer(snapshots, {"etc/c": "1", "opt/x/z": None, "sub/t": ""}, TOP, base)
    await snapshots.prepare(KEY, TOP)
    assert list(await snapshots.changes(KEY)) == []
    with Mounted(await snapshots.mount(KEY)) as root:
        (root / "etc/a").write_text("2")
        (root / "etc/b").unlink()
        (root / "etc/new").mkdir()
        (root / "etc/new/n").write_text("")
        for name in ("y", "../x"):
            path = root / "opt/x" / name
            path.unlink() if name == "y" else path.rmdir()
        (root / "opt/x").mkdir()
        (root / "opt/x/w").write_text("")
        (root / "file").unlink()
        (root / "file").mkdir()
        os.mkfifo(root / "pipe")
        os.symlink("/etc/passwd", root / "link")
        (root / "nobody").write_text("")
        (root / "nobody").unlink()
    assert list(await snapshots.changes(KEY)) == [
        Change("/etc", 0),
        Change("/etc/a", 0),
        Change("/etc/b", 2),
        Change("/etc/new", 1),
        Change("/etc/new/n", 1),
        Change("/file", 0),
        Change("/link", 1),
        Change("/opt", 0),
        Change("/opt/x", 0),
        Change("/opt/x/w", 1),
        Change("/opt/x/y", 2),
        Change("/pipe", 1),
    ]


async def test_usage_counts_files_once(snapshots: OverlaySnapshotter) -> None:
    await snapshots.prepare(KEY, None)
    upper = Path(snapshots.paths(KEY).upper)
    (upper / "d").mkdir()
    (upper / "d/a").write_bytes(b"x" * 1000)
    os.link(upper / "d/a", upper / "b")
    (upper / "c").write_bytes(b"y" * 24)
    assert await snapshots.usage(KEY) == 1024


async def test_removed_snapshots_leave_the_disk(
    snapshots: OverlaySnapshotter, tmp_path: Path
) -> None:
    await layer(snapshots, {"a": "1"})
    await snapshots.prepare(KEY, TOP)
    with Mounted(await snapshots.mount(KEY)) as root:
        path = root
        for _ in range(15):
            path = path / ("d" * 200)
            path.mkdir()
        # Removing does not wait for the last user of the mount.
        await snapshots.remove(KEY)
    await snapshots.remove_layer(TOP)
    await snapshots.settle()
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == ["empty"]
    assert not list((tmp_path / "tmp").iterdir())


async def test_the_sweep_deletes_what_no_row_knows(
    snapshots: OverlaySnapshotter, tmp_path: Path
) -> None:
    await layer(snapshots, {"a": "1"})
    await snapshots.prepare(KEY, TOP)
    await snapshots.prepare(SnapshotKey("stale"), TOP)
    abandoned = Path((await snapshots.begin_layer()).directory)
    unknown = tmp_path / "snapshots/4711/diff"
    unknown.mkdir(parents=True)
    (tmp_path / "tmp/blob-x").write_text("half")
    await snapshots.sweep([KEY])
    await snapshots.settle()
    assert not unknown.exists()
    assert abandoned.exists(), "it is still being filled"
    assert not list((tmp_path / "tmp").iterdir())
    assert len(list((tmp_path / "snapshots").iterdir())) == 4


async def test_a_layer_without_its_directory_is_forgotten(
    snapshots: OverlaySnapshotter, tmp_path: Path
) -> None:
    await layer(snapshots, {})
    record = snapshots.layer(TOP)
    assert record is not None
    Path(snapshots.layer_directory(record)).rmdir()
    (tmp_path / "snapshots" / str(record.number)).rmdir()
    await snapshots.sweep([])
    assert snapshots.layer(TOP) is None


async def test_a_long_data_root_can_be_mounted(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 120) / ("y:,\\" * 40)
    root.mkdir(parents=True)
    for legacy in (False, True):
        real = OverlaySnapshotter(str(root), FakeStore(), legacy_mount=legacy, sync=False)
        await real.open()
        key = SnapshotKey(f"container-{legacy}")
        await real.sweep([])
        await real.prepare(key, None)
        with Mounted(await real.mount(key)) as mounted:
            (mounted / "a").write_text("1")
        await real.close()


async def test_this_kernel_is_told_apart(tmp_path: Path) -> None:
    real = OverlaySnapshotter(str(tmp_path), FakeStore())
    await real.open()
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert real._mounter.is_legacy == (release < (6, 5))
    await real.close()


async def test_a_layer_begun_by_somebody_cancelled_leaves_nothing(
    snapshots: OverlaySnapshotter, tmp_path: Path
) -> None:
    before = sorted(os.listdir(tmp_path / "snapshots"))
    for _ in range(20):
        task = asyncio.ensure_future(snapshots.begin_layer())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await task).abort()
    for _ in range(500):
        await snapshots.settle()
        if sorted(os.listdir(tmp_path / "snapshots")) == before:
            break
        await asyncio.sleep(0.01)
    assert sorted(os.listdir(tmp_path / "snapshots")) == before
