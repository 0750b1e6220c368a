"""What the system shows of this process: its name and command line.

Started as a script, a process is called after the interpreter: `ps` shows
`/opt/wharfie/.venv/bin/python /usr/bin/dockerd -H fd://`. Here it becomes
`/usr/bin/dockerd -H fd://`, so that `pidof dockerd`, `netstat -p` and `ps` find it, and the
kernel's short name (`ss -p`, `top`) becomes `dockerd`. Source: proc(5), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

_PR_SET_NAME = 15
_PR_SET_MM = 35
_PR_SET_MM_ARG_END = 9
_ARG_START, _ARG_END = 47, 48
"""Fields of /proc/PID/stat behind the name, which may hold spaces; counted from 0 at the state."""


def set_title(program: str, words: Sequence[str]) -> None:
    """Show `program` as the name and `words` as the command line.

    Args:
        program: short name.
        words: the command line as typed, the program first.
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_NAME, program.encode(), 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b") ")[2].split()
    start, end = int(fields[_ARG_START - 2]), int(fields[_ARG_END - 2])
    with open("/proc/self/cmdline", "rb") as file:
        present = file.read()
    line = command_line(present, words)
    if line is None or end - start != len(present):
        return
    ctypes.memmove(start, line + b"\0" * (len(present) - len(line)), len(present))
    # Without this, which needs a kernel with checkpointing, zeros remain behind the end; `ps`
    # does not show them.
    library.prctl(_PR_SET_MM, _PR_SET_MM_ARG_END, ctypes.c_ulong(start + len(line)), 0, 0)


def command_line(present: bytes, words: Sequence[str]) -> bytes | None:
    """The bytes of /proc/PID/cmdline for `words`; None where they do not fit over the present."""
    line = b"".join(os.fsencode(word) + b"\0" for word in words)
    return line if len(line) <= len(present) else None
