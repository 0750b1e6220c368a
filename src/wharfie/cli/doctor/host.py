"""What containers need of this machine: kernel, cgroups, file systems, firewall, runtime, group."""

from __future__ import annotations

import grp
import os
import shutil
import socket
from collections.abc import Iterator

from wharfie.cli.doctor.findings import Finding, fail, ok, warn

_CGROUP = "/sys/fs/cgroup"
_WANTED = ("cpu", "memory", "pids")
_NETLINK_NETFILTER = 12
_OLDEST_KERNEL = (5, 10)


def check_host() -> Iterator[Finding]:
    """Yield what is missing here."""
    for check in (_kernel, _cgroups, _overlay, _seccomp, _nftables, _forwarding, _runtime, _group):
        yield check()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _kernel() -> Finding:
    release = os.uname().release
    parts = release.split("-")[0].split(".")
    version = tuple(int(part) for part in parts[:2] if part.isdigit())
    if version < _OLDEST_KERNEL:
        detail = f"Linux {release} is older than what is tested (5.10)"
        return warn("kernel", detail, "apt-get install linux-image-amd64; reboot")
    return ok("kernel", f"Linux {release}")


def _cgroups() -> Finding:
    unified = _read(f"{_CGROUP}/cgroup.controllers")
    if unified:
        missing = [name for name in _WANTED if name not in unified.split()]
        version, remedy = "v2", f"echo '+{' +'.join(missing)}' > {_CGROUP}/cgroup.subtree_control"
    else:
        missing = [name for name in _WANTED if not os.path.isdir(f"{_CGROUP}/{name}")]
        version, remedy = "v1", "add cgroup_enable=memory to the kernel's command line; reboot"
        if len(missing) == len(_WANTED):
            return fail(
                "cgroups",
                f"no cgroups are mounted on {_CGROUP}: containers cannot be limited",
                f"mount -t cgroup2 none {_CGROUP}",
            )
    if missing:
        return fail("cgroups", f"controllers are missing: {', '.join(missing)}", remedy)
    return ok("cgroups", f"{version}, with {', '.join(_WANTED)}")


def _overlay() -> Finding:
    names = {line.split()[-1] for line in _read("/proc/filesystems").splitlines() if line.strip()}
    if "overlay" in names:
        return ok("overlay", "the kernel has the overlay file system")
    return fail("overlay", "the kernel has no overlay file system", "modprobe overlay")


def _seccomp() -> Finding:
    if "filter" in _read("/proc/sys/kernel/seccomp/actions_avail") or "Seccomp:" in _read(
        "/proc/self/status"
    ):
        return ok("seccomp", "system calls of containers can be filtered")
    return fail(
        "seccomp",
        "the kernel cannot filter the system calls of containers",
        "use a kernel with CONFIG_SECCOMP_FILTER=y",
    )


def _nftables() -> Finding:
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER).close()
    except OSError:
        return fail("nftables", "the kernel has no nftables: no port can be published",
                    "modprobe nf_tables")  # fmt: skip
    return ok("nftables", "ports can be published")


def _forwarding() -> Finding:
    if _read("/proc/sys/net/ipv4/ip_forward").strip() == "1":
        return ok("forwarding", "packets of containers are forwarded")
    return warn(
        "forwarding",
        "packets are not forwarded: containers reach nothing outside, until the daemon starts",
        "sysctl -w net.ipv4.ip_forward=1",
    )


def _runtime() -> Finding:
    path = shutil.which("crun") or shutil.which("runc")
    if path:
        return ok("runtime", path)
    return fail("runtime", "there is neither crun nor runc here", "apt-get install crun")


def _group() -> Finding:
    try:
        members = grp.getgrnam("docker").gr_mem
    except KeyError:
        return warn(
            "group",
            "there is no group docker: only root can use the socket",
            "groupadd --system docker; systemctl restart wharfie",
        )
    shown = ", ".join(members) or "nobody"
    return ok("group", f"members of group docker, who are root here: {shown}")
