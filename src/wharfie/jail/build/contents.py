"""Bytes of one file to another: in the kernel where it can, and holes stay holes."""

from __future__ import annotations

import errno
import os

_SLICE = 1 << 30
_NO_COPY_RANGE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_READ = 1 << 20
_SMALL = 1 << 16


def copy_bytes(source: int, target: int, status: os.stat_result) -> None:
    """Copy all of a file into an empty one."""
    size = status.st_size
    if not size:
        return
    if status.st_blocks * 512 >= size:
        _copy_range(source, target, 0, size)
        return
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole up to the end
        position = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(target, start, os.SEEK_SET)
        os.lseek(source, start, os.SEEK_SET)
        _copy_range(source, target, start, position - start)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, start: int, left: int) -> None:
    """Copy from where both descriptors stand."""
    if left <= _SMALL:
        data = os.read(source, left)
        if len(data) == left:
            _write(target, data)
            return
        os.lseek(source, start, os.SEEK_SET)
    while left:
        try:
            done = os.copy_file_range(source, target, min(left, _SLICE))
        except OSError as error:
            if error.errno not in _NO_COPY_RANGE:
                raise
            data = os.read(source, min(left, _READ))
            _write(target, data)
            done = len(data)
        if not done:
            return  # it became shorter
        left -= done


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
