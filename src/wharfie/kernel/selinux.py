"""SELinux as this kernel has it: whether it is on, what its policy says, and files' labels."""

from __future__ import annotations

import errno
import os

_LABEL = "security.selinux"
_KEPT = frozenset(
    {
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/etc/passwd",
        "/etc/pki",
        "/etc/shadow",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/var",
        "/var/lib",
        "/var/log",
    }
)
"""What relabelling would break the host of. Source: opencontainers/selinux, label.Relabel."""


class RelabelRefused(OSError):
    """A directory of the host's own."""


def read_contexts(root: str = "/") -> str | None:
    """The text of the policy's `lxc_contexts`, None where SELinux is off or says nothing of it."""
    if not os.path.exists(os.path.join(root, "sys/fs/selinux/enforce")):
        return None
    name = ""
    for line in _read(os.path.join(root, "etc/selinux/config")).splitlines():
        key, sign, value = line.partition("=")
        if sign and key.strip() == "SELINUXTYPE":
            name = value.strip().strip('"')
    if not name or "/" in name:
        return None
    return _read(os.path.join(root, "etc/selinux", name, "contexts/lxc_contexts")) or None


def relabel(path: str, label: str) -> None:
    """Give a tree of files one label; links are not followed, file systems without labels are left.

    Raises:
        RelabelRefused: it is a directory of the host's.
    """
    path = os.path.realpath(path)
    if path in _KEPT or path == os.path.expanduser("~"):
        raise RelabelRefused(errno.EPERM, f"SELinux relabeling of {path} is not allowed")
    value = label.encode() + b"\0"
    try:
        _set(path, value)
        if os.path.isdir(path):
            for _, directories, files, fd in os.fwalk(path, follow_symlinks=False):
                for name in [*directories, *files]:
                    # By the directory's descriptor: what lies above may be changed meanwhile.
                    _set(f"/proc/self/fd/{fd}/{name}", value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise


def _set(path: str, value: bytes) -> None:
    try:
        if os.getxattr(path, _LABEL, follow_symlinks=False) == value:
            return
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOENT):
            raise
    try:
        os.setxattr(path, _LABEL, value, follow_symlinks=False)
    except FileNotFoundError:
        return  # removed meanwhile


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
