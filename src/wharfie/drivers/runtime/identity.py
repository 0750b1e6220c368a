"""Who a process in a container runs as, looked up in the container's own files.

`/etc/passwd` and `/etc/group` belong to the container and may have become links to anywhere or
fifos; they are opened below its root only, and only as regular files.

Source: behaviours 190.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.formats import passwd
from wharfie.formats.oci.runtime import User
from wharfie.kernel.openat2 import read_in_root
from wharfie.model.errors import InvalidArgument

MAX_FILE_SIZE = 8 << 20


class ProcessUser(Struct, frozen=True):
    """Numbers and home directory of a process's user."""

    user: User
    home: str


def look_up_user(root_fd: int, user: str, group_add: Sequence[str] = ()) -> ProcessUser:
    """Resolve `user` (name|uid[:group|gid]) and added groups below a root directory.

    The primary group is repeated in front of the supplementary ones: without it, a process could
    get around a denial to its own group by dropping it (CVE-2022-36109).

    Raises:
        InvalidArgument: no such user or group, with Docker's words.
    """
    try:
        users = _read(root_fd, "/etc/passwd")
        groups = _read(root_fd, "/etc/group")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"unable to find user {user}: {reason}") from None
    try:
        identity = passwd.resolve(user, users, groups)
        added = passwd.resolve_groups(group_add, groups)
    except passwd.LookupFailed as error:
        raise InvalidArgument(str(error)) from None
    gids = dict.fromkeys((identity.gid, *identity.groups, *added))
    return ProcessUser(User(identity.uid, identity.gid, tuple(gids)), identity.home)


def _read(root_fd: int, path: str) -> bytes:
    return read_in_root(root_fd, path, limit=MAX_FILE_SIZE) or b""
