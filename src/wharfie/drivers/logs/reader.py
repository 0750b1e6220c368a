"""Reads log files: rotated ones, the tail, and what is being written.

    x-json.log.3.gz   x-json.log.2   x-json.log.1   x-json.log      oldest to newest

Files are read and decoded in threads, a slice at a time. A follower sleeps on inotify; when the
log is rotated under it, it reads the old file to its end and goes on with the new one.
"""

from __future__ import annotations

import asyncio
import glob
import re
from collections.abc import AsyncIterator

from wharfie.drivers.logs.files import LogFile, find_tail, open_log
from wharfie.drivers.logs.waiting import ChangeWatch
from wharfie.formats.logs.runs import LogRun
from wharfie.model.clock import rfc3339
from wharfie.model.logs import EndOfTask, LogLocation, LogQuery

_NUMBERED = re.compile(r"\.(\d+)(\.gz)?$")


class FileLogReader:
    """See `model.logs.LogReader`."""

    def read(
        self, location: LogLocation, query: LogQuery, end: EndOfTask
    ) -> AsyncIterator[list[LogRun]]:
        """Yield runs in batches, oldest first; see `LogReader.read`."""
        return _Reading(location, query, end).batches()


class _Reading:
    """One read of one log."""

    def __init__(self, location: LogLocation, query: LogQuery, end: EndOfTask) -> None:
        self._path = location.path
        self._format = location.format
        self._query = query
        self._end = end
        self._since = rfc3339(query.since) if query.since else ""
        self._until = rfc3339(query.until) if query.until else ""
        self._is_over = False
        self._last_time = ""

    async def batches(self) -> AsyncIterator[list[LogRun]]:
        watch = ChangeWatch(self._path) if self._query.follow else None
        try:
            files = await asyncio.to_thread(self._open_all)
            try:
                async for batch in self._all(files, watch):
                    yield batch
            finally:
                for file in files:
                    file.close()
        finally:
            if watch is not None:
                watch.close()

    async def _all(
        self, files: list[LogFile], watch: ChangeWatch | None
    ) -> AsyncIterator[list[LogRun]]:
        for file in files:
            async for batch in self._rest_of(file):
                yield batch
        if watch is not None:
            async for batch in self._follow(files, watch):
                yield batch

    async def _follow(
        self, files: list[LogFile], watch: ChangeWatch
    ) -> AsyncIterator[list[LogRun]]:
        while not self._is_over:
            # Asked before reading: what was logged before the end is read after it.
            has_ended = self._end.is_ended()
            watch.clear()
            current = files[-1] if files else None
            # Successors may have been made between reading and looking: read the old one again.
            newer = await asyncio.to_thread(self._open_newer, current)
            files += newer
            if current is not None:
                async for batch in self._rest_of(current):
                    yield batch
            for file in newer[:-1]:
                async for batch in self._rest_of(file):
                    yield batch
            while len(files) > 1:
                files.pop(0).close()
            if newer:
                continue
            if has_ended:
                return
            await watch.wait(self._end)

    def _open_newer(self, current: LogFile | None) -> list[LogFile]:
        """The files written after `current`, oldest first; a busy log makes several at a time.

        It may have been renamed, and packed, which makes another file of it: then its first
        bytes tell it, or the time of the first record that it is even older.
        """
        newer: list[LogFile] = []
        head = current.head() if current is not None else b""
        for path in [self._path, *_rotated(self._path)]:
            file = open_log(path, self._format, newer[-1] if newer else None)
            if file is None:
                continue
            is_seen = current is not None and file.inode == current.inode
            is_seen = is_seen or (bool(head) and file.head() == head)
            if is_seen or "" < file.first_time() < self._last_time:
                file.close()
                break
            newer.append(file)
        newer.reverse()
        return newer

    async def _rest_of(self, file: LogFile) -> AsyncIterator[list[LogRun]]:
        while not self._is_over:
            runs = await asyncio.to_thread(file.read_runs)
            if not runs:
                return
            self._last_time = runs[-1].time
            batch = self._choose(runs)
            if batch:
                yield batch

    def _choose(self, runs: list[LogRun]) -> list[LogRun]:
        query = self._query
        chosen = []
        for run in runs:
            if self._since and run.time < self._since:
                continue
            if self._until and run.time > self._until:
                self._is_over = True
                break
            if query.stdout if run.stream == 1 else query.stderr:
                chosen.append(run)
        return chosen

    def _open_all(self) -> list[LogFile]:
        """The files to read, each at the place to begin."""
        query = self._query
        files: list[LogFile] = []
        missing = query.tail
        for path in [self._path, *_rotated(self._path)]:
            file = open_log(path, self._format, None, backwards=query.tail >= 0)
            if file is None:
                continue
            files.append(file)
            if path == self._path and query.limit_size >= 0:
                file.limit = query.limit_size
            if query.tail >= 0:
                missing -= find_tail(file, missing)
                if missing <= 0:
                    break
        files.reverse()
        return files


def _rotated(path: str) -> list[str]:
    """Rotated files of a log, newest first; one that is just being packed only once."""
    numbered: dict[int, str] = {}
    for found in glob.glob(f"{glob.escape(path)}.*"):
        match = _NUMBERED.search(found)
        if match is not None and (match[2] is None or int(match[1]) not in numbered):
            numbered[int(match[1])] = found
    return [found for _, found in sorted(numbered.items())]
