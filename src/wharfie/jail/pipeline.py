"""Threads of a worker: one reads and decompresses ahead, one hashes behind.

Both spend their time in C code that releases the GIL, so on more than one core unpacking takes
as long as its slowest part instead of the sum (figures: bench/unpack.py).
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterator

_DEPTH = 8


class _Stopped:
    """The last thing in the queue: the error that stopped the thread, if there was one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReadAhead:
    """Iterates over another iterator that runs in a thread of its own.

    Who stops before the end in a process that goes on must `close` it.
    """

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._queue: queue.SimpleQueue[bytes | _Stopped] = queue.SimpleQueue()
        self._room = threading.Semaphore(_DEPTH)
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at the next chunk; returns when the thread is gone."""
        self._is_closed = True
        self._room.release()
        self._thread.join()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if isinstance(item, _Stopped):
                self._thread.join()
                if item.error is not None:
                    raise item.error
                return
            self._room.release()
            yield item

    def _run(self) -> None:
        try:
            for chunk in self._source:
                self._room.acquire()
                if self._is_closed:
                    break
                self._queue.put(chunk)
        except BaseException as error:  # noqa: BLE001 - it is raised where the chunks are read
            self._queue.put(_Stopped(error))
        else:
            self._queue.put(_Stopped(None))


class Hasher:
    """SHA-256 of all chunks, computed in a thread of its own."""

    def __init__(self) -> None:
        self.length = 0
        """Bytes of all chunks."""
        self._digest = hashlib.sha256()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_DEPTH)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def update(self, chunk: bytes) -> None:
        """Add a chunk; waits when the thread lags behind."""
        self.length += len(chunk)
        self._room.acquire()
        self._queue.put(chunk)

    def digest(self) -> str:
        """`sha256:<hex>` of everything; no update may follow."""
        self._queue.put(None)
        self._thread.join()
        return f"sha256:{self._digest.hexdigest()}"

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._digest.update(chunk)
            self._room.release()
