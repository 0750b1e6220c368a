"""Comparing two directory trees of strangers: which paths of one are not what the other holds.

Both are walked relative to descriptors, following no link; only regular files are read. Source
of what counts: the OCI image spec, "Layer Filesystem Changeset" (file attributes).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_MAX_DEPTH = 400
_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def differences(wanted: str, found: str) -> Iterator[str]:
    """Compare a tree with the one it should be; blocks.

    What is nested deeper than 400 directories is not compared.

    Args:
        wanted: the directory that is right.
        found: the directory in question.

    Yields:
        A path and what is wrong with it: "usr/bin/env: content differs".
    """
    right = os.open(wanted, _DIRECTORY)
    try:
        ours = os.open(found, _DIRECTORY)
        try:
            yield from _of_inodes(".", os.fstat(right), os.fstat(ours))
            yield from _of_directories("", right, ours, 0)
        finally:
            os.close(ours)
    finally:
        os.close(right)


def _of_directories(path: str, right: int, ours: int, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    yield from _of_attributes(path or ".", right, ours)
    wanted, found = set(os.listdir(right)), set(os.listdir(ours))
    for name in sorted(wanted | found):
        below = path + show(name)
        if name not in found:
            yield f"{below}: missing"
        elif name not in wanted:
            yield f"{below}: not of this layer"
        else:
            yield from _of_entries(below, name, right, ours, depth)


def _of_entries(path: str, name: str, right: int, ours: int, depth: int) -> Iterator[str]:
    wanted = os.stat(name, dir_fd=right, follow_symlinks=False)
    found = os.stat(name, dir_fd=ours, follow_symlinks=False)
    wrong = list(_of_inodes(path, wanted, found))
    yield from wrong
    if stat.S_IFMT(wanted.st_mode) != stat.S_IFMT(found.st_mode):
        return
    if stat.S_ISLNK(wanted.st_mode):
        if os.readlink(name, dir_fd=right) != os.readlink(name, dir_fd=ours):
            yield f"{path}: leads elsewhere"
        return
    flags = {stat.S_IFDIR: _DIRECTORY, stat.S_IFREG: _FILE}.get(stat.S_IFMT(wanted.st_mode))
    if flags is None:
        return
    try:
        theirs = os.open(name, flags, dir_fd=right)
        try:
            mine = os.open(name, flags, dir_fd=ours)
        except OSError:
            os.close(theirs)
            raise
    except OSError as error:
        yield f"{path}: unreadable: {os.strerror(error.errno or 0)}"
        return
    try:
        if flags == _DIRECTORY:
            yield from _of_directories(f"{path}/", theirs, mine, depth + 1)
        else:
            yield from _of_files(path, theirs, mine, wanted.st_size == found.st_size)
    finally:
        os.close(theirs)
        os.close(mine)


def _of_inodes(path: str, wanted: os.stat_result, found: os.stat_result) -> Iterator[str]:
    kind = stat.S_IFMT(wanted.st_mode)
    if kind != stat.S_IFMT(found.st_mode):
        yield f"{path}: another kind of file"
        return
    if wanted.st_mode != found.st_mode and kind != stat.S_IFLNK:
        yield f"{path}: mode {found.st_mode & 0o7777:04o} instead of {wanted.st_mode & 0o7777:04o}"
    if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid):
        yield (
            f"{path}: owner {found.st_uid}:{found.st_gid} "
            f"instead of {wanted.st_uid}:{wanted.st_gid}"
        )
    if kind in (stat.S_IFCHR, stat.S_IFBLK) and wanted.st_rdev != found.st_rdev:
        yield f"{path}: another device"


def _of_files(path: str, right: int, ours: int, same_size: bool) -> Iterator[str]:
    yield from _of_attributes(path, right, ours)
    try:
        if not same_size or not _same_content(right, ours):
            yield f"{path}: content differs"
    except OSError as error:
        yield f"{path}: unreadable: {os.strerror(error.errno or 0)}"


def _same_content(right: int, ours: int) -> bool:
    while True:
        chunk = os.read(right, _CHUNK)
        if chunk != _read_exactly(ours, len(chunk)):
            return False
        if not chunk:
            return True


def _read_exactly(fd: int, size: int) -> bytes:
    """As much as asked for; at the end of the file one byte more is tried, to see it end."""
    data = os.read(fd, size or 1)
    while len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data


def _of_attributes(path: str, right: int, ours: int) -> Iterator[str]:
    if _attributes(right) != _attributes(ours):
        yield f"{path}: extended attributes differ"


def _attributes(fd: int) -> dict[str, bytes]:
    return {name: os.getxattr(fd, name) for name in os.listxattr(fd)}


def show(name: str) -> str:
    """A file's name fit for a message: no control characters, no broken text."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:255]
