"""Docker's rules for the paths of `docker cp`.

`stat` and reading look at the last symlink itself, unless the path ends in "/" or "/.";
writing follows it. Everything resolves inside the root.

Source: moby `daemon/archive*.go`, `pkg/archive/copy.go`; behaviours 122 and 219.
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime

from wharfie.jail import names
from wharfie.jail.errors import forbidden, invalid, not_found, of_os_error
from wharfie.jail.tree import O_PATH_DIRECTORY
from wharfie.kernel import openat2
from wharfie.model.archive import PathStat

_MAX_LINKS = 255
_SECOND = 1_000_000_000
_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


def stat_path(root: int, path: bytes) -> PathStat:
    """What a path from `names.in_container` is.

    Raises:
        JobError: nothing there, or a component that is no directory.
    """
    status = _status(root, path)
    is_link = stat.S_ISLNK(status.st_mode)
    return PathStat(
        name=names.base(path).decode(errors="replace"),
        size=status.st_size,
        mode=go_mode(status.st_mode),
        mtime=rfc3339(status.st_mtime_ns),
        link_target=follow(root, path).decode(errors="replace") if is_link else "",
    )


def open_parent(root: int, path: bytes) -> tuple[int, bytes]:
    """Descriptor of the directory of a path, and its last component."""
    parent, _, name = path.rpartition(b"/")
    return _open(root, parent or b"/", O_PATH_DIRECTORY, path), name


def is_directory(root: int, path: bytes) -> bool:
    """Tell whether a path is a directory, by the rule of `stat_path`."""
    return stat.S_ISDIR(_status(root, path).st_mode)


def open_directory(root: int, path: bytes) -> int:
    """Open a directory to read it."""
    return _open(root, path, os.O_RDONLY | os.O_DIRECTORY, path)


def check_target(root: int, path: bytes, *, read_only_root: bool) -> None:
    """Make sure that an archive may be unpacked into a path.

    Raises:
        JobError: not there, no directory, or read-only.
    """
    try:
        target = openat2.open_in_root(root, path.lstrip(b"/") or b".", O_PATH_DIRECTORY)
    except FileNotFoundError:
        raise not_found(path) from None
    except NotADirectoryError:
        raise invalid("extraction point is not a directory") from None
    except OSError as error:
        raise of_os_error(error, path) from error
    in_root = _is_same_mount(root, path)
    if in_root and (read_only_root or _is_read_only(target)):
        raise forbidden("container rootfs is marked read-only")
    if not in_root and _is_read_only(target):
        raise forbidden("mounted volume is marked read-only")
    os.close(target)


def go_mode(mode: int) -> int:
    """A mode as Go's os.FileMode."""
    bits = sum(go for bit, go in _GO_BITS if mode & bit)
    return _GO_TYPES.get(stat.S_IFMT(mode), 0) | bits | mode & 0o777


def rfc3339(nanoseconds: int) -> str:
    """A time as Go prints it: UTC, the fraction as short as it goes."""
    seconds, rest = divmod(nanoseconds, _SECOND)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        moment, rest = datetime.fromtimestamp(0, UTC), 0
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _status(root: int, path: bytes) -> os.stat_result:
    follow = path.endswith((b"/", b"/."))
    fd = _open(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW), path)
    status = os.fstat(fd)
    os.close(fd)
    return status


def _open(root: int, path: bytes, flags: int, asked: bytes) -> int:
    try:
        return openat2.open_in_root(root, path.lstrip(b"/") or b".", flags)
    except FileNotFoundError:
        raise not_found(asked) from None
    except OSError as error:
        raise of_os_error(error, asked) from error


def _is_read_only(fd: int) -> bool:
    return bool(os.statvfs(fd).f_flag & os.ST_RDONLY)


def _is_same_mount(root: int, path: bytes) -> bool:
    resolve = openat2.RESOLVE_IN_ROOT | openat2.RESOLVE_NO_MAGICLINKS | openat2.RESOLVE_NO_XDEV
    try:
        os.close(openat2.openat2(root, path.lstrip(b"/") or b".", O_PATH_DIRECTORY, resolve))
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise of_os_error(error, path) from error
    return True


def follow(root: int, path: bytes) -> bytes:
    """Where a symlink leads in the end, as far as that exists (moby FollowSymlinkInScope)."""
    todo = [part for part in reversed(path.split(b"/")) if part]
    done: list[bytes] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == b".":
            continue
        if part == b"..":
            del done[-1:]
            continue
        target = _read_link(root, b"/".join((*done, part)))
        links += target is not None
        if target is None or links > _MAX_LINKS:
            done.append(part)
            continue
        if target.startswith(b"/"):
            done.clear()
        todo.extend(piece for piece in reversed(target.split(b"/")) if piece)
    return b"/" + b"/".join(done)


def _read_link(root: int, path: bytes) -> bytes | None:
    parent, _, name = path.rpartition(b"/")
    try:
        above = openat2.open_in_root(root, parent or b".", O_PATH_DIRECTORY)
    except OSError:
        return None  # the rest of the path is not there; it stays as it is written
    try:
        return os.readlink(name, dir_fd=above)
    except OSError:
        return None  # no symlink
    finally:
        os.close(above)
