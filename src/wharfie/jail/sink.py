"""Where an archive is written to: a pipe, fed with large writes."""

from __future__ import annotations

import errno
import os

_BUFFER = 1 << 17
_ZEROES = bytes(1 << 16)
_NO_SENDFILE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


class Sink:
    """Collects small pieces; large files go from the page cache into the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write out what was collected."""
        view = memoryview(b"".join(self._parts))
        self._parts.clear()
        self._size = 0
        while view:
            view = view[os.write(self._fd, view) :]

    def copy(self, fd: int, size: int) -> None:
        """Add exactly `size` bytes of a file; one that shrank is filled up with zeroes."""
        if size <= _BUFFER:
            data = os.read(fd, size)
            while len(data) < size:
                more = os.read(fd, size - len(data))
                if not more:
                    break
                data += more
            self.write(data.ljust(size, b"\0"))
            return
        self.flush()
        left = self._send(fd, size)
        while left:
            left -= os.write(self._fd, _ZEROES[:left])

    def _send(self, fd: int, left: int) -> int:
        while left:
            try:
                sent = os.sendfile(self._fd, fd, None, left)
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
                return self._copy_by_hand(fd, left)
            if not sent:
                break
            left -= sent
        return left

    def _copy_by_hand(self, fd: int, left: int) -> int:
        while left:
            data = os.read(fd, min(left, _BUFFER))
            if not data:
                break
            self.write(data)
            left -= len(data)
        self.flush()
        return left
