"""What a writable layer says: changed paths.

The upper directory of an overlay holds copies of what was changed, a character device 0:0 (a
whiteout) for what was deleted, and marks as opaque a directory that replaces one below. All of
it is walked relative to descriptors: a container may be changing it meanwhile.

Source: the kernel's overlayfs documentation; behaviours 120.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from wharfie.kernel import xattr
from wharfie.model.errors import Internal
from wharfie.model.snapshot import Change

MODIFIED, ADDED, DELETED = 0, 1, 2

_MAX_DEPTH = 250
"""Nested directories that are followed; each costs a descriptor and three Python frames."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def list_changes(upper: str, lowers: Sequence[str]) -> list[Change]:
    """Changed paths of `upper` against layers (top first), sorted; blocks."""
    walk = _Changes()
    fd = os.open(upper, _DIRECTORY)
    try:
        walk.directory(fd, "", list(lowers), 0)
    finally:
        os.close(fd)
    return [Change(_spell(path), kind) for path, kind in sorted(walk.found.items())]


class _Changes:
    """One walk over an upper directory, side by side with the layers below."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def directory(self, fd: int, path: str, lowers: list[str], depth: int) -> None:
        """Compare one open directory with those of the same path below, top first."""
        if depth > _MAX_DEPTH:
            raise Internal(f"directories are nested deeper than {_MAX_DEPTH}: {_spell(path)[:200]}")
        with os.scandir(fd) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            self._entry(fd, path, name, lowers, depth)

    def _entry(self, fd: int, parent: str, name: str, lowers: list[str], depth: int) -> None:
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return  # gone since the directory was read
        path = f"{parent}/{name}"
        below, directories = find_below(lowers, name)
        if is_whiteout(status):
            if below is not None:
                self._record(path, DELETED)
            return
        if not stat.S_ISDIR(status.st_mode):
            self._record(path, ADDED if below is None else MODIFIED)
            return
        if below is None or _differs(status, below):
            self._record(path, ADDED if below is None else MODIFIED)
        self._descend(fd, name, path, directories, depth)

    def _descend(self, fd: int, name: str, path: str, lowers: list[str], depth: int) -> None:
        try:
            child = os.open(name, _DIRECTORY, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            if xattr.is_opaque(child):
                with os.scandir(child) as entries:
                    present = {entry.name for entry in entries}
                for hidden in merged_names(lowers) - present:
                    self._record(f"{path}/{hidden}", DELETED)
            self.directory(child, path, lowers, depth + 1)
        finally:
            os.close(child)

    def _record(self, path: str, kind: int) -> None:
        """Note a change; the directories it is in count as modified."""
        self.found[path] = kind
        parent = path.rpartition("/")[0]
        while parent and parent not in self.found:
            self.found[parent] = MODIFIED
            parent = parent.rpartition("/")[0]


def is_whiteout(status: os.stat_result) -> bool:
    """Tell whether an entry of a layer deletes the one below."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def find_below(lowers: Sequence[str], name: str) -> tuple[os.stat_result | None, list[str]]:
    """Look a name up in merged directories, top first.

    Returns:
        What shows through, None for nothing; and if it is a directory, those it is merged of.
    """
    first: os.stat_result | None = None
    directories: list[str] = []
    for lower in lowers:
        path = os.path.join(lower, name)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if is_whiteout(status):
            break
        if not stat.S_ISDIR(status.st_mode):
            first = first or status
            break
        first = first or status
        directories.append(path)
        if xattr.is_opaque(os.fsencode(path)):
            break
    return first, directories


def merged_names(directories: Sequence[str]) -> set[str]:
    """Names that show through directories stacked top first."""
    names: set[str] = set()
    hidden: set[str] = set()
    for directory in directories:
        deleted: set[str] = set()
        with os.scandir(directory) as entries:
            for entry in entries:
                if is_whiteout(entry.stat(follow_symlinks=False)):
                    deleted.add(entry.name)
                elif entry.name not in hidden:
                    names.add(entry.name)
        hidden |= deleted
    return names


def _differs(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether a directory was changed itself, rather than only copied up for its content."""
    if not stat.S_ISDIR(other.st_mode):
        return True
    return (one.st_mode, one.st_uid, one.st_gid, one.st_mtime_ns) != (
        other.st_mode,
        other.st_uid,
        other.st_gid,
        other.st_mtime_ns,
    )


def _spell(path: str) -> str:
    """A path fit for JSON: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
