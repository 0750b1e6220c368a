"""The file system under a worker's root, always reached by descriptors of directories.

Every path is walked by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), every last component is
used relative to its directory's descriptor and never followed. So neither an archive nor a
container that swaps directories for symlinks while we work can lead us out, even by a
`/proc/<pid>/root` of a container in the host's pid namespace.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from wharfie.jail.errors import invalid, show
from wharfie.kernel import openat2

O_PATH_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
O_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CACHED = 48
_IMPLIED_MODE = 0o755


class Tree:
    """Directories below a base path, the last used ones kept open.

    Args:
        base: path of it.
        root: descriptor of what symlinks take for "/", None for the worker's own root.
    """

    def __init__(self, base: bytes = b"/", *, root: int | None = None) -> None:
        self._root = os.open("/", O_PATH_DIRECTORY) if root is None else root
        self._base = base.strip(b"/")
        self._open: dict[bytes, int] = {}

    def directory(self, path: bytes) -> int:
        """A descriptor of a directory, made if it is missing; valid until the next call.

        Args:
            path: relative to the base, cleaned; b"" for the base itself.

        Raises:
            OSError: ENOTDIR when a component is no directory, ENAMETOOLONG, ELOOP ...
        """
        fd = self._open.get(path)
        if fd is not None:
            return fd
        if len(self._open) >= _CACHED:
            self.forget()
        try:
            fd = openat2.open_in_root(self._root, self._full(path), O_PATH_DIRECTORY)
        except FileNotFoundError:
            if not path:
                raise
            fd = self._make(path)
        self._open[path] = fd
        return fd

    def split(self, path: bytes) -> tuple[int, bytes]:
        """The descriptor of a path's directory, and its last component."""
        parent, _, name = path.rpartition(b"/")
        return self.directory(parent), name

    def forget(self) -> None:
        """Close all; to be called when a directory was removed or replaced."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def _make(self, path: bytes) -> int:
        """Make a directory and those above it."""
        fd = openat2.open_in_root(self._root, self._full(b""), O_PATH_DIRECTORY)
        made = b""
        for name in path.split(b"/"):
            made = made + b"/" + name if made else name
            try:
                below = openat2.open_in_root(self._root, self._full(made), O_PATH_DIRECTORY)
            except FileNotFoundError:
                try:
                    os.mkdir(name, _IMPLIED_MODE, dir_fd=fd)
                except FileExistsError:
                    raise invalid(f"{show(made)}: a symlink that leads nowhere") from None
                below = openat2.open_in_root(self._root, self._full(made), O_PATH_DIRECTORY)
            os.close(fd)
            fd = below
        return fd

    def _full(self, path: bytes) -> bytes:
        if not path:
            return self._base or b"."
        return self._base + b"/" + path if self._base else path


def remove(parent: int, name: bytes) -> None:
    """Remove whatever has this name, a directory with all it holds; symlinks are not followed."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        remove_directory(parent, name)


def remove_directory(parent: int, name: bytes) -> None:
    """Remove a directory and all it holds, without recursion: trees may be deep."""
    path = [name]
    open_fds = [parent]
    try:
        while path:
            fd = os.open(path[-1], O_READ_DIRECTORY, dir_fd=open_fds[-1])
            open_fds.append(fd)
            below = _unlink_files(fd)
            while below is None:
                os.close(open_fds.pop())
                os.rmdir(path.pop(), dir_fd=open_fds[-1])
                if not path:
                    return
                below = _unlink_files(open_fds[-1])
            path.append(below)
    finally:
        for fd in open_fds[1:]:
            os.close(fd)


def _unlink_files(fd: int) -> bytes | None:
    """Unlink all but directories; return a directory, None when nothing is left."""
    for name in os.listdir(fd):
        raw = os.fsencode(name)
        try:
            os.unlink(raw, dir_fd=fd)
        except IsADirectoryError:
            return raw
    return None


@contextmanager
def opened(name: bytes, flags: int, *, directory: int) -> Iterator[int]:
    """Open relative to a directory, close after."""
    fd = os.open(name, flags | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def is_whiteout(status: os.stat_result) -> bool:
    """Overlay's mark for "gone": a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
