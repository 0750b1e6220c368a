"""Directory trees of strangers: measuring them, and deleting them in the background.

Trees come from containers and images: they may be nested without end and change meanwhile. They
are walked relative to descriptors, following no link, keeping few descriptors.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor

_MAX_DEPTH = 64
_MEASURED_DEPTH = 400
_ATTEMPTS = 100
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_log = logging.getLogger(__name__)


def measure_tree(path: str) -> int:
    """Bytes of the files of a tree, each inode once; blocks.

    What is nested deeper than 400 directories is not counted: a size is an estimate, and a
    container must not be able to break it.
    """
    fd = os.open(path, _DIRECTORY)
    try:
        return _measure(fd, set(), 0)
    finally:
        os.close(fd)


class Trash:
    """A directory whose content is being deleted by one thread."""

    def __init__(self, tmp: str) -> None:
        self._tmp = tmp
        self._numbers = itertools.count()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trash")

    def throw(self, path: str) -> None:
        """Rename a tree away and have it deleted; one that is missing is no error. Blocks."""
        target = self._new_name()
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return
        self._submit(target)

    def empty(self) -> None:
        """Delete everything that is in the directory now, found there at start. Blocks."""
        for name in os.listdir(self._tmp):
            self.throw(os.path.join(self._tmp, name))

    def settle(self) -> Future[None]:
        """A future done when everything thrown so far is deleted."""
        return self._worker.submit(lambda: None)

    def close(self) -> None:
        """Finish the tree at hand and stop; the rest is deleted at the next start. Blocks."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _new_name(self) -> str:
        while True:
            name = os.path.join(self._tmp, f"trash-{os.getpid()}-{next(self._numbers)}")
            if not os.path.lexists(name):
                return name

    def _submit(self, path: str) -> None:
        try:
            self._worker.submit(self._delete, path)
        except RuntimeError:
            _log.info("closing: %s is left to the next start", path)

    def _delete(self, path: str) -> None:
        try:
            delete_tree(path)
        except OSError as error:
            _log.warning("cannot delete %s: %s; the next start tries again", path, error)


def delete_tree(path: str) -> None:
    """Delete a file or a directory with all it holds, at whatever depth, following no link.

    Raises:
        OSError: something cannot be removed (busy, immutable, I/O).
    """
    parent, name = os.path.split(os.path.abspath(path))
    top = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _Deletion(top, name).run()
    finally:
        os.close(top)


class _Deletion:
    """One tree on its way out; subtrees nested too deep are moved up beside it first."""

    def __init__(self, top: int, name: str) -> None:
        self._top = top
        self._name = name
        self._pending = [name]
        self._numbers = itertools.count()

    def run(self) -> None:
        while self._pending:
            self._delete(self._top, self._pending.pop(), 0)

    def _delete(self, parent: int, name: str, depth: int) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            self._delete_directory(parent, name, depth)

    def _delete_directory(self, parent: int, name: str, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            self._lift(parent, name)
            return
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            for attempt in range(_ATTEMPTS):
                with os.scandir(fd) as entries:
                    for entry in entries:
                        self._delete(fd, entry.name, depth + 1)
                try:
                    os.rmdir(name, dir_fd=parent)
                except OSError as error:
                    # Deleting while reading a directory can make the reading skip entries.
                    if error.errno != errno.ENOTEMPTY or attempt == _ATTEMPTS - 1:
                        raise
                else:
                    return
        finally:
            os.close(fd)

    def _lift(self, parent: int, name: str) -> None:
        aside = f"{self._name}-lifted-{next(self._numbers)}"
        os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=self._top)
        self._pending.append(aside)


def _measure(fd: int, seen: set[int], depth: int) -> int:
    if depth > _MEASURED_DEPTH:
        return 0
    total = 0
    with os.scandir(fd) as entries:
        children = list(entries)
    for entry in children:
        try:
            if entry.is_dir(follow_symlinks=False):
                child = os.open(entry.name, _DIRECTORY, dir_fd=fd)
                try:
                    total += _measure(child, seen, depth + 1)
                finally:
                    os.close(child)
                continue
            status = entry.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue  # changed since the directory was read
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            total += status.st_size
    return total
