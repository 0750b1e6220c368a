"""Reading logs back: tail, times, streams, rotation, following, both formats."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path

import pytest

from wharfie.drivers.logs import FileLogReader
from wharfie.formats.logs.locallog import LocalLogEncoder
from wharfie.model.logs import LogFormat, LogLocation, LogQuery


class End:
    """An end that a test brings about. See `model.logs.EndOfTask`."""

    def __init__(self, *, ended: bool = True) -> None:
        self._event = asyncio.Event()
        if ended:
            self._event.set()

    def is_ended(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def come(self) -> None:
        self._event.set()


def record(number: int, stream: str = "stdout") -> bytes:
    time = f"2026-01-01T00:00:{number % 60:02d}.000000000Z"
    return json.dumps({"log": f"{number}\n", "stream": stream, "time": time}).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c-json.log"


async def numbers(path: Path, end: End | None = None, **query: object) -> list[int]:
    batches = FileLogReader().read(
        LogLocation(str(path), LogFormat.JSON), LogQuery(**query), end or End()
    )  # type: ignore[arg-type]
    return [int(line) async for batch in batches for run in batch for line in run.lines]


async def test_a_missing_log_is_empty(path: Path) -> None:
    assert await numbers(path) == []


@pytest.mark.parametrize(
    ("tail", "found"), [(0, []), (2, [8, 9]), (10, range(10)), (99, range(10))]
)
async def test_the_tail_counts_from_the_end(path: Path, tail: int, found: list[int]) -> None:
    path.write_bytes(b"".join(record(n) for n in range(10)))
    assert await numbers(path, tail=tail) == list(found)


async def test_a_tail_longer_than_a_block_is_found(path: Path) -> None:
    path.write_bytes(b"".join(record(n) for n in range(5000)))
    assert await numbers(path, tail=3000) == list(range(2000, 5000))


async def test_rotated_files_come_first_oldest_first(path: Path) -> None:
    Path(f"{path}.2.gz").write_bytes(gzip.compress(record(0) + record(1)))
    Path(f"{path}.1").write_bytes(record(2) + record(3))
    path.write_bytes(record(4))
    Path(f"{path}.note").write_bytes(b"no log")
    assert await numbers(path) == [0, 1, 2, 3, 4]
    assert await numbers(path, tail=4) == [1, 2, 3, 4]
    assert await numbers(path, tail=2) == [3, 4]


async def test_streams_and_times_choose(path: Path) -> None:
    path.write_bytes(record(1) + record(2, "stderr") + record(3))
    assert await numbers(path, stderr=False) == [1, 3]
    second = 1_767_225_600_000_000_000 + 2_000_000_000
    assert await numbers(path, since=second) == [2, 3]
    assert await numbers(path, until=second) == [1, 2]


async def test_a_torn_line_is_passed_over(path: Path) -> None:
    path.write_bytes(record(1) + b'{"log":"2\n' + record(3) + b'{"log":"4')
    assert await numbers(path) == [1, 3]


async def test_a_limit_bounds_the_current_file(path: Path) -> None:
    path.write_bytes(record(1) + record(2))
    assert await numbers(path, limit_size=len(record(1))) == [1]


async def test_a_follower_sees_writes_rotation_and_the_end(path: Path) -> None:
    path.write_bytes(record(1))
    end = End(ended=False)
    seen: list[int] = []
    batches = FileLogReader().read(
        LogLocation(str(path), LogFormat.JSON), LogQuery(follow=True), end
    )

    async def read() -> None:
        async for batch in batches:
            seen.extend(int(line) for run in batch for line in run.lines)

    async def until(count: int) -> None:
        async with asyncio.timeout(10):
            while len(seen) < count:
                await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        await until(1)
        with path.open("ab") as file:
            file.write(record(2))
        await until(2)
        with path.open("ab") as file:
            file.write(record(3))
            path.rename(f"{path}.1")
            file.write(record(4))
        path.write_bytes(record(5))
        await until(5)
        with path.open("ab") as file:
            file.write(record(6))
        end.come()
    assert seen == [1, 2, 3, 4, 5, 6]


def local(first: int, last: int) -> bytes:
    """Records of the local driver, one a second."""
    encoder = LocalLogEncoder({}, lambda: "x")
    return b"".join(
        encoder.feed(1, b"%d\n" % n, (1_767_225_600 + n) * 1_000_000_000)
        for n in range(first, last)
    )


async def local_numbers(path: Path, **query: object) -> list[int]:
    location = LogLocation(str(path), LogFormat.LOCAL)
    batches = FileLogReader().read(location, LogQuery(**query), End())  # type: ignore[arg-type]
    return [int(line) async for batch in batches for run in batch for line in run.lines]


async def test_a_local_log_is_read_whole_and_from_its_tail(tmp_path: Path) -> None:
    path = tmp_path / "container.log"
    Path(f"{path}.2.gz").write_bytes(gzip.compress(local(0, 2000)))
    Path(f"{path}.1").write_bytes(local(2000, 6000))
    path.write_bytes(local(6000, 6003))
    assert await local_numbers(path) == list(range(6003))
    for tail in (0, 1, 3, 4, 3500, 5000, 6002, 6003, 9999):
        assert await local_numbers(path, tail=tail) == list(range(6003))[-tail or 6003 :]
    since = (1_767_225_600 + 6001) * 1_000_000_000
    assert await local_numbers(path, since=since) == [6001, 6002]
    assert await local_numbers(path, until=1_767_225_601_000_000_000) == [0, 1]


async def test_a_damaged_local_log_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "container.log"
    path.write_bytes(local(0, 5) + b"\0\0\0\x09torn")
    assert await local_numbers(path) == [0, 1, 2, 3, 4]
    assert await local_numbers(path, tail=2) == []
    path.write_bytes(b"\xff" * 4000 + local(0, 5))
    assert await local_numbers(path) == []
    assert await local_numbers(path, tail=2) == [3, 4]


async def test_a_follower_that_is_slow_finds_every_rotated_file(path: Path) -> None:
    """Three rotations between two looks, one file packed: nothing is missed, nothing twice."""
    path.write_bytes(record(1))
    end = End(ended=False)
    location = LogLocation(str(path), LogFormat.JSON)
    batches = FileLogReader().read(location, LogQuery(follow=True), end)
    seen = [int(line) for run in await anext(batches) for line in run.lines]  # type: ignore[arg-type]
    with path.open("ab") as file:
        file.write(record(2))
    Path(f"{path}.3.gz").write_bytes(gzip.compress(path.read_bytes()))
    Path(f"{path}.2").write_bytes(record(3) + record(4))
    Path(f"{path}.1").write_bytes(record(5))
    path.rename(f"{path}.old")
    path.write_bytes(record(6))
    end.come()
    async for batch in batches:
        seen += [int(line) for run in batch for line in run.lines]
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_a_packed_file_is_known_again_though_all_has_one_time(path: Path) -> None:
    def line(number: int) -> bytes:
        return record(number).replace(b"00:00:%02d" % number, b"00:00:07")

    path.write_bytes(line(1))
    end = End(ended=False)
    location = LogLocation(str(path), LogFormat.JSON)
    batches = FileLogReader().read(location, LogQuery(follow=True), end)
    seen = [int(text) for run in await anext(batches) for text in run.lines]  # type: ignore[arg-type]
    Path(f"{path}.2.gz").write_bytes(gzip.compress(line(1)))
    Path(f"{path}.1").write_bytes(line(2))
    path.unlink()
    path.write_bytes(line(3))
    end.come()
    async for batch in batches:
        seen += [int(text) for run in batch for text in run.lines]
    assert seen == [1, 2, 3]


async def test_following_keeps_no_files_open_that_are_rotated_away(path: Path) -> None:
    path.write_bytes(record(1))
    end = End(ended=False)
    location = LogLocation(str(path), LogFormat.JSON)
    batches = FileLogReader().read(location, LogQuery(follow=True), end)
    await anext(batches)  # type: ignore[arg-type]
    for number in range(2, 20):
        path.rename(f"{path}.1")
        path.write_bytes(record(number))
        await anext(batches)  # type: ignore[arg-type]
    held = [
        os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd_lives(fd)
    ]
    assert sum(path.name in name for name in held) <= 2
    end.come()
    async for _ in batches:
        pass


def fd_lives(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")
