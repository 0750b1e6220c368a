"""inotify: be told when files change. Source: inotify(7)."""

from __future__ import annotations

import ctypes
import os

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_MOVE_SELF = 0x800
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify instance; `fd` becomes readable when something happened."""

    def __init__(self) -> None:
        self.fd = _libc.inotify_init1(_FLAGS)
        if self.fd < 0:
            raise _error("inotify")

    def watch(self, path: str, mask: int) -> None:
        """Watch a path; OSError when it is not there."""
        if _libc.inotify_add_watch(self.fd, os.fsencode(path), mask) < 0:
            raise _error(path)

    def drain(self) -> None:
        """Forget what was told so far; readers look at the files themselves."""
        try:
            while os.read(self.fd, 65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Stop watching; idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _error(path: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
