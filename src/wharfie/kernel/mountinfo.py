"""What `/proc/self/mountinfo` says of a path. Source: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
import re

_ESCAPE = re.compile(r"\\([0-7]{3})")


def propagation_of(path: str) -> tuple[str, str]:
    """The mount point a path lies on, and "shared", "slave" or "private"."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return find_propagation(file.read(), os.path.realpath(path))


def find_propagation(text: str, path: str) -> tuple[str, str]:
    """The same of a resolved path in the text of a mountinfo; a later mount covers an earlier."""
    best, kind = "", "private"
    for line in text.splitlines():
        before, separator, _ = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 6:
            continue
        mount_point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
        inside = path == mount_point or path.startswith(mount_point.rstrip("/") + "/")
        if not inside or len(mount_point) < len(best):
            continue
        optional = fields[6:]
        best, kind = mount_point, "private"
        if any(field.startswith("shared:") for field in optional):
            kind = "shared"
        elif any(field.startswith("master:") for field in optional):
            kind = "slave"
    return best, kind
