"""Workers and their zygote: confined, bounded, and gone when they should be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvloop

from support.hostile_tars import file
from support.jailed import collect, in_pieces, on_tmpfs, root_of, unpack
from support.tar_members import write
from wharfie.drivers.archive import JailArchiver
from wharfie.model.errors import EngineError, Internal, Unavailable

pytestmark = pytest.mark.root


@pytest.fixture
async def archiver() -> AsyncIterator[JailArchiver]:
    jail = JailArchiver(stall=1.0)
    await jail.open()
    yield jail
    await jail.close()


@pytest.fixture
def base() -> Iterator[Path]:
    with on_tmpfs() as directory:
        yield directory


def zygote_of(archiver: JailArchiver) -> int:
    assert archiver._zygote is not None
    return archiver._zygote.pid


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def gone(pid: int) -> bool:
    for _ in range(500):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        await asyncio.sleep(0.01)
    return False


async def endless() -> AsyncIterator[bytes]:
    yield write([file(b"first", b"x" * 100_000)])[:50_000]
    while True:
        await asyncio.sleep(0.01)
        yield b"x"


async def running_copy(archiver: JailArchiver, base: Path) -> tuple[asyncio.Task[None], int]:
    """A copy in progress, and its worker's pid."""

    async def copy() -> None:
        with root_of(base / "root") as root:
            await archiver.copy_in(root, "/", endless())

    task = asyncio.get_running_loop().create_task(copy())
    while not (base / "root" / "first").exists():
        await asyncio.sleep(0.01)
    (worker,) = children(zygote_of(archiver))
    return task, worker


async def test_a_worker_holds_next_to_nothing(archiver, base) -> None:
    task, worker = await running_copy(archiver, base)
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{worker}/status").read_text().splitlines()
        if ":\t" in line
    )
    allowed = sum(1 << n for n in (0, 1, 3, 4, 27, 31))
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[name], 16) == allowed
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert os.readlink(f"/proc/{worker}/root") == str(base / "root") or os.path.samefile(
        f"/proc/{worker}/root", base / "root"
    )
    opened = {os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")}
    kinds = {name.partition(":")[0] for name in opened}
    assert kinds <= {"/dev/null", "socket", "pipe", str(base / "root"), "/", "/first"}
    assert len([name for name in opened if name.startswith("socket")]) == 1
    limits = Path(f"/proc/{worker}/limits").read_text()
    assert "Max address space         1073741824" in limits
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_blob_on_its_way_is_not_the_workers_to_write(archiver, base) -> None:
    """Its digest is checked when it is whole: a worker taken over must not change it after."""
    begun = asyncio.Event()

    async def growth() -> AsyncIterator[int]:
        begun.set()
        await asyncio.Event().wait()
        yield 0

    with tempfile.TemporaryFile() as blob:
        unpacking = asyncio.get_running_loop().create_task(
            archiver.unpack_growing(
                blob.fileno(), str(base / "root"), size=1 << 20, growth=growth()
            )
        )
        await begun.wait()
        (worker,) = children(zygote_of(archiver))
        status = os.fstat(blob.fileno())
        flags = []
        for fd in os.listdir(f"/proc/{worker}/fd"):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(f"/proc/{worker}/fd/{fd}"), status):
                    info = Path(f"/proc/{worker}/fdinfo/{fd}").read_text()
                    flags.append(int(info.partition("flags:\t")[2].split()[0], 8))
        unpacking.cancel()
        await asyncio.wait([unpacking])
    assert flags
    assert {flag & os.O_ACCMODE for flag in flags} == {os.O_RDONLY}


async def test_cancellation_kills_the_worker(archiver, base) -> None:
    task, worker = await running_copy(archiver, base)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children(zygote_of(archiver)) == []
    assert await gone(worker)


async def test_closing_a_stream_early_kills_the_worker(archiver, base) -> None:
    (base / "root" / "large").write_bytes(bytes(20 << 20))
    with root_of(base / "root") as root:
        _, stream = await archiver.copy_out(root, "/large")
        await anext(stream)
        assert len(children(zygote_of(archiver))) == 1
        await stream.aclose()
    assert children(zygote_of(archiver)) == []


async def test_a_slow_reader_is_no_stalled_worker(archiver, base) -> None:
    (base / "root" / "large").write_bytes(bytes(20 << 20))
    with root_of(base / "root") as root:
        _, stream = await archiver.copy_out(root, "/large")
        await asyncio.sleep(1.5)
        assert len(await collect(stream)) > 20 << 20


async def test_a_worker_that_hangs_is_killed_and_told(archiver, base) -> None:
    (base / "root" / "large").write_bytes(bytes(20 << 20))
    with root_of(base / "root") as root:
        _, stream = await archiver.copy_out(root, "/large")
        (worker,) = children(zygote_of(archiver))
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(Internal, match="no progress for 1 seconds"):
            await collect(stream)
    assert await gone(worker)


async def test_a_killed_worker_is_an_error_that_says_so(archiver, base) -> None:
    (base / "root" / "large").write_bytes(bytes(20 << 20))
    with root_of(base / "root") as root:
        _, stream = await archiver.copy_out(root, "/large")
        os.kill(children(zygote_of(archiver))[0], signal.SIGKILL)
        with pytest.raises(Internal, match="killed by SIGKILL"):
            await collect(stream)


async def test_the_zygote_is_restarted_after_a_crash(archiver, base) -> None:
    first = zygote_of(archiver)
    task, worker = await running_copy(archiver, base)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(EngineError):
        await asyncio.wait_for(task, 1)
    assert await gone(worker)
    await unpack(archiver, write([file(b"f")]), base / "root")
    assert zygote_of(archiver) != first
    assert not Path(f"/proc/{first}").exists()


async def test_a_closed_archiver_refuses(base) -> None:
    jail = JailArchiver()
    await jail.open()
    pid = zygote_of(jail)
    await jail.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(Unavailable), root_of(base / "root") as root:
        await jail.stat(root, "/")


async def test_many_jobs_at_once(archiver, base) -> None:
    async def one(number: int) -> None:
        directory = base / f"layer{number}"
        directory.mkdir()
        archive = write([file(b"f%d" % n) for n in range(50)])
        await unpack(archiver, archive, directory)
        with root_of(directory) as root:
            await archiver.copy_in(root, "/", in_pieces(archive))
            stat = await archiver.stat(root, "/f7")
            assert stat.size == 4

    async with asyncio.TaskGroup() as group:
        for number in range(24):
            group.create_task(one(number))
    assert len(os.listdir(base / "layer23")) == 50
    assert children(zygote_of(archiver)) == []


_DAEMON = """
import asyncio, os, sys, uvloop
from wharfie.drivers.archive import JailArchiver
from wharfie.model.archive import Root
async def endless():
    yield b"x" * 100
    print(archiver._zygote.pid, flush=True)
    await asyncio.Event().wait()
async def main():
    global archiver
    archiver = JailArchiver()
    await archiver.open()
    await archiver.copy_in(Root(descriptor=os.open(sys.argv[1], os.O_RDONLY)), "/", endless())
uvloop.install()
asyncio.run(main())
"""


async def test_nothing_survives_a_daemon_killed(base) -> None:
    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DAEMON, str(base / "root")), stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    zygote = int(await daemon.stdout.readline())
    (worker,) = children(zygote)
    daemon.kill()
    await daemon.wait()
    assert await gone(zygote)
    assert await gone(worker)


def test_it_works_on_uvloop(base) -> None:
    async def main() -> None:
        jail = JailArchiver()
        await jail.open()
        content = os.urandom(5_000_000)
        with root_of(base / "root") as root:
            await jail.copy_in(root, "/", in_pieces(write([file(b"f", content)]), 100_000))
            _, stream = await jail.copy_out(root, "/f")
            packed = await collect(stream)
        assert content in packed
        await jail.close()

    uvloop.run(main())
    assert (base / "root" / "f").stat().st_size == 5_000_000


class Watch:
    """The longest that the event loop was held up by what runs on it.

    Time in which the kernel ran other processes instead does not count: the machine is shared.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._done = False

    async def __aenter__(self) -> Watch:
        self._task = asyncio.ensure_future(self._run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done = True
        await self._task

    async def _run(self) -> None:
        before = _time_of_its_own()
        while not self._done:
            await asyncio.sleep(0)  # never idle, so that all time between is somebody's
            now = _time_of_its_own()
            self.worst = max(self.worst, now - before)
            before = now


def _time_of_its_own() -> float:
    """Seconds of the clock without those this thread waited for a processor."""
    _, waited, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return time.monotonic() - int(waited) / 1e9


async def test_the_event_loop_is_never_held_up(archiver, base) -> None:
    content = os.urandom(60_000_000)
    archive = write([file(b"f", content)])
    async with Watch() as watch:
        with root_of(base / "root") as root:
            await archiver.copy_in(root, "/", in_pieces(archive, 1 << 20))
            _, stream = await archiver.copy_out(root, "/f")
            async for _ in stream:
                pass
    assert watch.worst < 0.1


async def test_a_loop_that_is_held_up_is_seen() -> None:
    async with Watch() as watch:
        await asyncio.sleep(0)
        time.sleep(0.3)
    assert watch.worst > 0.25
