"""The supervisor's own log: standard error, bounded by starting the file anew."""

from __future__ import annotations

import os
import sys
import time

MAX_SIZE = 1 << 20
_STDERR = 2


class Diagnostics:
    """Writes lines to standard error, which is `<exec-root>/supervisor.log` when run as usual."""

    def __init__(self, path: str = "") -> None:
        self._path = path

    def write(self, line: str) -> None:
        """Write one line with time and pid; a full file becomes `.1` first."""
        if self._path and os.fstat(_STDERR).st_size > MAX_SIZE:
            self._start_anew()
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sys.stderr.write(f"{now} [{os.getpid()}] {line}\n")
        sys.stderr.flush()

    def _start_anew(self) -> None:
        try:
            os.rename(self._path, f"{self._path}.1")
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            os.ftruncate(_STDERR, 0)
            return
        os.dup2(fd, _STDERR, inheritable=True)
        os.close(fd)
