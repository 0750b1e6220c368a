"""Files that are there for good: functions that return once the disk has them. All block."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

_TRIES = 8


def make_folder(path: str) -> list[str]:
    """Make a folder and those above it; returns folders that now have a new entry.

    Somebody may remove one of them as empty before the next one is in it.
    """
    changed: list[str] = []
    for _ in range(_TRIES):
        missing: list[str] = []
        at = path
        while not os.path.isdir(at):
            missing.append(at)
            at = os.path.dirname(at)
        try:
            for one in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(one, 0o755)
                changed.append(os.path.dirname(one))
        except FileNotFoundError:
            continue
        return changed
    raise FileNotFoundError(f"{path} cannot be made: it is removed all the time")


def open_new(path: str, flags: int) -> int:
    """Make a file in a folder that is made if need be."""
    for left in reversed(range(_TRIES)):
        make_folder(os.path.dirname(path))
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def sync_folders(paths: Iterable[str]) -> None:
    """Have the disk know the entries of folders; one that is gone needs no more of it."""
    for path in dict.fromkeys(paths):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def place(temporary: str, path: str) -> list[str]:
    """Rename a file whose bytes are on the disk; returns the folders to sync.

    Folders of `path` are made; somebody may remove them as empty meanwhile.
    """
    for left in reversed(range(_TRIES)):
        changed = make_folder(os.path.dirname(path))
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            if not left or not os.path.lexists(temporary):
                raise
            continue
        return [*changed, os.path.dirname(path)]
    raise AssertionError("the last try returns or raises")


def write_files(folder: str, stem: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Make or replace files, in this order.

    Args:
        folder: of temporary files, on the same file system.
        stem: begins their names; nobody else's.
        files: paths and what they shall hold.
    """
    made: list[str] = []
    try:
        for number, (_, data) in enumerate(files):
            name = f"{folder}/{stem}-{number}"
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            made.append(name)
            try:
                write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
        changed: list[str] = []
        for name, (path, _) in zip(tuple(made), files, strict=True):
            changed += place(name, path)
            made.remove(name)
        sync_folders(changed)
    finally:
        for name in made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def remove_files(paths: Sequence[str], top: str) -> None:
    """Unlink files in this order, and folders that are empty then, up to `top`."""
    changed: list[str] = []
    for path in paths:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        changed.append(_prune(os.path.dirname(path), top))
    sync_folders(changed)


def _prune(folder: str, top: str) -> str:
    """Remove empty folders upwards; returns the one that stays."""
    while folder != top and folder.startswith(top):
        try:
            os.rmdir(folder)
        except OSError:
            return folder
        folder = os.path.dirname(folder)
    return folder


def remove_tree(path: str, top: str) -> None:
    """Remove a folder with everything in it, deepest first, then empty ones above it.

    Not synced: what a power cut brings back is garbage once more.
    """
    for folder, folders, files in os.walk(path, topdown=False):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")
        for name in folders:
            with contextlib.suppress(OSError):
                os.rmdir(f"{folder}/{name}")
    _prune(path, top)
