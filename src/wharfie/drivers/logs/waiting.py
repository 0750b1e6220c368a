"""Waiting for a log to change, or for its task to end."""

from __future__ import annotations

import asyncio
import os

from wharfie.kernel.inotify import IN_ATTRIB, IN_CREATE, IN_MODIFY, IN_MOVED_TO, Inotify
from wharfie.model.logs import EndOfTask

_DIRECTORY_MASK = IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ATTRIB


class ChangeWatch:
    """Watches the directory of a log: writes to the log, and its rotation."""

    def __init__(self, path: str) -> None:
        self._inotify = Inotify()
        self._changed = asyncio.Event()
        self._ended: asyncio.Task[None] | None = None
        try:
            self._inotify.watch(os.path.dirname(path), _DIRECTORY_MASK)
        except FileNotFoundError:
            self._changed.set()  # the container is gone: the end will be told
        asyncio.get_running_loop().add_reader(self._inotify.fd, self._on_event)

    def clear(self) -> None:
        """Forget changes seen so far; the reader is about to look."""
        self._changed.clear()

    async def wait(self, end: EndOfTask) -> None:
        """Return when something changed or the task ended."""
        if self._ended is None:
            self._ended = asyncio.ensure_future(_end_of(end))
            self._ended.add_done_callback(lambda _: self._changed.set())
        await self._changed.wait()

    def close(self) -> None:
        """Stop watching; idempotent."""
        if self._inotify.fd >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
        if self._ended is not None:
            self._ended.cancel()

    def _on_event(self) -> None:
        self._inotify.drain()
        self._changed.set()


async def _end_of(end: EndOfTask) -> None:
    await end.wait()
