"""Directories of a destination: found or made, links followed inside of the root alone."""

from __future__ import annotations

import errno
import os

from wharfie.jail.errors import invalid, show
from wharfie.jail.tree import O_READ_DIRECTORY
from wharfie.kernel import openat2

PARENT_MODE = 0o755


def make_directories(root: int, path: bytes, mode: int, owner: tuple[int, int]) -> int:
    """Open a directory below a root, making what is missing; links inside are followed.

    Raises:
        JobError: something that is no directory is in the way.
    """
    try:
        return openat2.open_in_root(root, path.strip(b"/") or b".", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise invalid(f"cannot copy to non-directory: {show(path)}") from None
    above, _, name = path.rstrip(b"/").rpartition(b"/")
    parent = make_directories(root, above, mode, owner)
    try:
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            raise invalid(f"{show(path)}: a symlink that leads nowhere") from None
        made = open_below(parent, name)
    finally:
        os.close(parent)
    os.fchown(made, *owner)
    os.fchmod(made, mode)
    return made


def make(above: int, name: bytes) -> bool:
    """Make a directory unless it is there; tells whether it was made."""
    try:
        os.mkdir(name, PARENT_MODE, dir_fd=above)
    except FileExistsError:
        return False
    return True


def open_below(above: int, name: bytes) -> int:
    """Open a directory below one of the destination.

    A link there is followed inside of the root, as Docker does: the kernel walks the path from
    the worker's root, so that it cannot lead out.
    """
    try:
        return os.open(name, O_READ_DIRECTORY, dir_fd=above)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
    flags = O_READ_DIRECTORY & ~os.O_NOFOLLOW
    try:
        return openat2.openat2(above, name, flags, openat2.RESOLVE_NO_MAGICLINKS)
    except OSError:
        raise invalid(f"cannot copy to non-directory: {show(name)}") from None
