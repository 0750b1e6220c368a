"""Extended attributes: which names matter to layers, and reading them all at once.

The calls themselves are `os.getxattr` and its sisters. `trusted.*` is shown only to holders of
CAP_SYS_ADMIN in the initial user namespace.

Sources: xattr(7), the kernel's overlayfs documentation.
"""

from __future__ import annotations

import errno
import os
from typing import Final

OVERLAY_OPAQUE: Final = "trusted.overlay.opaque"
OVERLAY_OPAQUE_VALUE: Final = b"y"
CAPABILITY: Final = "security.capability"

_ABSENT = {errno.ENODATA, errno.ENOTSUP, errno.ENOENT}
_PORTABLE_PREFIXES = ("user.", "system.posix_acl_")
_OVERLAY_PREFIXES = ("trusted.overlay.", "user.overlay.")


def is_portable(name: str) -> bool:
    """Tell whether an attribute belongs to the file's content and travels in archives.

    Overlay's own attributes must not: an archive could point a directory elsewhere with them.
    """
    if name.startswith(_OVERLAY_PREFIXES):
        return False
    return name == CAPABILITY or name.startswith(_PORTABLE_PREFIXES)


def read_portable(target: int | bytes) -> dict[str, bytes]:
    """The portable attributes of an open file, or of a path (its last symlink not followed)."""
    if isinstance(target, int):
        names = _list(target, follow=True)
        follow = True
    else:
        names = _list(target, follow=False)
        follow = False
    found: dict[str, bytes] = {}
    for name in names:
        if is_portable(name):
            value = _get(target, name, follow=follow)
            if value is not None:
                found[name] = value
    return found


def is_opaque(target: int | bytes) -> bool:
    """Tell whether a directory of a layer hides those below it."""
    follow = isinstance(target, int)
    return _get(target, OVERLAY_OPAQUE, follow=follow) == OVERLAY_OPAQUE_VALUE


def set_opaque(fd: int) -> None:
    """Make an open directory of a layer hide those below it."""
    os.setxattr(fd, OVERLAY_OPAQUE, OVERLAY_OPAQUE_VALUE)


def _list(target: int | bytes, *, follow: bool) -> list[str]:
    try:
        return os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise


def _get(target: int | bytes, name: str, *, follow: bool) -> bytes | None:
    try:
        return os.getxattr(target, name, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
