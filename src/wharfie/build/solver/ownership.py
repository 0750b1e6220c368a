"""Who `--chown` means, by the passwd and group files of the root file system copied into.

Source: Dockerfile reference, "COPY --chown"; BuildKit's `file/user_linux.go`.
"""

from __future__ import annotations

from wharfie.formats import passwd
from wharfie.kernel.openat2 import read_in_root
from wharfie.model.errors import InvalidArgument

_MAX_PASSWD = 8 << 20


def owner_of(root: int, owner: str) -> tuple[int, int] | None:
    """User and group as numbers; None where none is asked for.

    A number without a group is its own group; a name without one has that of its passwd line.

    Args:
        root: descriptor of the root file system.
        owner: "user:group" by name or number.

    Raises:
        InvalidArgument: a name without a line.
    """
    if not owner:
        return None
    user, _, group = owner.partition(":")
    if user.isascii() and user.isdigit() and not group:
        group = user
    files = [
        read_in_root(root, path, limit=_MAX_PASSWD) or b"" for path in ("/etc/passwd", "/etc/group")
    ]
    try:
        identity = passwd.resolve(f"{user}:{group}" if group else user, *files)
    except passwd.LookupFailed as error:
        raise InvalidArgument(str(error)) from None
    return identity.uid, identity.gid
