"""`LocalStore`: keys are paths below a root that one process holds locked.

<root>/
├── docker/registry/v2/…     see storage/layout.py
└── wharfie/
    ├── lock                 held by the process that serves or tends this root
    └── tmp/                 emptied at start
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
from collections.abc import Sequence

from wharfie.registry.ports.storage import KeyState, NoSuchKey
from wharfie.registry.storage.local.durable import (
    make_folder,
    open_new,
    place,
    remove_files,
    remove_tree,
    sync_folders,
    write_files,
)
from wharfie.registry.storage.local.objects import LocalObject, LocalStaging, Vouchers


class RootInUse(Exception):
    """Another process serves or tends this root."""


def open_local(root: str) -> LocalStore:
    """Open a root, making it where it is not there; blocks.

    Raises:
        RootInUse: another process has it.
        OSError: it cannot be made or written.
    """
    root = os.path.abspath(root)
    own = f"{root}/wharfie"
    sync_folders(make_folder(f"{own}/tmp"))
    lock = os.open(f"{own}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RootInUse(f"another registry serves {root}") from None
    for name in os.listdir(f"{own}/tmp"):
        with contextlib.suppress(OSError):
            os.unlink(f"{own}/tmp/{name}")
    return LocalStore(root, lock)


class LocalStore:
    """See `ports.storage.ByteStore`; made by `open_local`."""

    def __init__(self, root: str, lock: int) -> None:
        self._root = root
        self._lock = lock
        self._numbers = itertools.count()
        self._vouchers = Vouchers()

    @property
    def is_exclusive(self) -> bool:
        """The lock says so."""
        return True

    async def read(self, key: str, limit: int) -> bytes:
        """Read a small file."""
        try:
            fd = os.open(f"{self._root}/{key}", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchKey(key) from None
        try:
            return os.read(fd, limit)
        finally:
            os.close(fd)

    async def write(self, *objects: tuple[str, bytes]) -> None:
        """Write small files."""
        files = [(f"{self._root}/{key}", data) for key, data in objects]
        stem = str(next(self._numbers))
        await _finish(write_files, f"{self._root}/wharfie/tmp", stem, files)

    async def delete(self, *keys: str) -> None:
        """Unlink files and the folders they leave empty."""
        await _finish(remove_files, [f"{self._root}/{key}" for key in keys], self._root)

    async def delete_below(self, prefix: str) -> None:
        """Remove a folder."""
        await _finish(remove_tree, f"{self._root}/{prefix}", self._root)

    async def state(self, key: str) -> KeyState:
        """Look at a file."""
        try:
            found = os.stat(f"{self._root}/{key}")
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchKey(key) from None
        return KeyState(found.st_size, found.st_mtime)

    async def touch(self, key: str) -> None:
        """Set a file's time."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.utime(f"{self._root}/{key}")

    async def names(self, prefix: str) -> Sequence[str]:
        """List a folder."""
        return await asyncio.to_thread(_names, f"{self._root}/{prefix}")

    async def holding(self, prefix: str, name: str) -> Sequence[str]:
        """Search folders."""
        return await asyncio.to_thread(_holding, f"{self._root}/{prefix}", name)

    async def open(self, key: str) -> LocalObject:
        """Open a file."""
        try:
            fd = os.open(f"{self._root}/{key}", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchKey(key) from None
        return LocalObject(fd, self._vouchers)

    async def staging(self, key: str, *, fresh: bool) -> LocalStaging:
        """Open a file to be added to."""
        path = f"{self._root}/{key}"
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = open_new(path, flags) if fresh else os.open(path, flags)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchKey(key) from None
        return LocalStaging(fd, path, self._root, self._vouchers)

    async def move(self, key: str, to: str) -> None:
        """Rename a file."""
        try:
            await _finish(_move, f"{self._root}/{key}", f"{self._root}/{to}")
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchKey(key) from None

    async def close(self) -> None:
        """Let the next process in."""
        os.close(self._lock)


async def _finish(function: object, *arguments: object) -> None:
    """Run something in a thread, to its end even if nobody waits for it any more."""
    assert callable(function)
    await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, function, *arguments))


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _holding(top: str, name: str) -> list[str]:
    found: list[str] = []
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        try:
            with os.scandir(f"{top}/{relative}") as entries:
                for entry in entries:
                    if entry.name == name:
                        found.append(relative)
                    elif not entry.name.startswith("_") and entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{relative}/{entry.name}" if relative else entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return sorted(found)


def _move(path: str, to: str) -> None:
    sync_folders([*place(path, to), os.path.dirname(path)])
