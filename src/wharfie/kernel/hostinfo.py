"""Facts about this host for `docker info`: parsers of what the kernel says, and one reader.

Source: behaviours 199; proc(5), os-release(5), uname(2).
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from typing import NamedTuple

from wharfie.kernel.cgroups import CgroupHost

_LIMIT_FILES: Mapping[str, tuple[str, str, str]] = {
    "MemoryLimit": ("memory", "memory.limit_in_bytes", "memory"),
    "SwapLimit": ("memory", "memory.memsw.limit_in_bytes", "memory"),
    "MemoryReservation": ("memory", "memory.soft_limit_in_bytes", "memory"),
    "OomKillDisable": ("memory", "memory.oom_control", ""),
    "MemorySwappiness": ("memory", "memory.swappiness", ""),
    "CpuCfsPeriod": ("cpu", "cpu.cfs_period_us", "cpu"),
    "CpuCfsQuota": ("cpu", "cpu.cfs_quota_us", "cpu"),
    "CPUShares": ("cpu", "cpu.shares", "cpu"),
    "CpuRealtimePeriod": ("cpu", "cpu.rt_period_us", ""),
    "CpuRealtimeRuntime": ("cpu", "cpu.rt_runtime_us", ""),
    "CPUSet": ("cpuset", "cpuset.cpus", "cpuset"),
    "PidsLimit": ("pids", "", "pids"),
    "BlkioWeight": ("blkio", "blkio.weight", "io"),
    "BlkioWeightDevice": ("blkio", "blkio.weight_device", "io"),
    "BlkioReadBpsDevice": ("blkio", "blkio.throttle.read_bps_device", "io"),
    "BlkioWriteBpsDevice": ("blkio", "blkio.throttle.write_bps_device", "io"),
    "BlkioReadIOpsDevice": ("blkio", "blkio.throttle.read_iops_device", "io"),
    "BlkioWriteIOpsDevice": ("blkio", "blkio.throttle.write_iops_device", "io"),
}
"""Limit → v1 controller, its file at the root ("" for the tree itself), v2 controller ("": no)."""


class HostInfo(NamedTuple):
    """What `docker info` shows of the host.

    Attributes:
        memory: bytes.
        cgroup_version: "1" or "2".
        limits: which limits this kernel can set, by the API's names.
        security_options: as the API spells them.
        cpuset: processors containers may run on ("0-3"), "" when that is not known.
        memory_nodes: memory nodes likewise.
    """

    name: str
    kernel_version: str
    operating_system: str
    os_version: str
    architecture: str
    cpus: int
    memory: int
    cgroup_version: str
    limits: dict[str, bool]
    security_options: list[str]
    ipv4_forwarding: bool
    cpuset: str = ""
    memory_nodes: str = ""


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file, quotes taken off."""
    result: dict[str, str] = {}
    for raw in text.splitlines():
        name, sign, value = raw.strip().partition("=")
        if not sign or not name or name.startswith("#"):
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
            for escaped in '"$`\\':
                value = value.replace("\\" + escaped, escaped)
        result[name] = value
    return result


def parse_memory_total(text: str) -> int:
    """Bytes of memory from `/proc/meminfo`; 0 when it does not say."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def parse_kernel_version(release: str) -> tuple[int, int]:
    """Major and minor number of a kernel release such as "6.1.0-18-amd64"."""
    found = re.match(r"(\d+)(?:\.(\d+))?", release)
    return (int(found[1]), int(found[2] or "0")) if found else (0, 0)


def operating_system(release: Mapping[str, str], *, in_container: bool) -> str:
    """Docker's name of the operating system."""
    name = release.get("PRETTY_NAME") or release.get("NAME") or "Linux"
    return f"{name} (containerized)" if in_container else name


def supported_limits(host: CgroupHost) -> dict[str, bool]:
    """Which limits this host's cgroups can set."""
    if host.version == 2:
        root = host.root("") or ""
        controllers = set(_read(f"{root}/cgroup.controllers").split())
        return {name: v2 in controllers for name, (_, _, v2) in _LIMIT_FILES.items()}
    found = {}
    for name, (controller, file, _) in _LIMIT_FILES.items():
        root = host.root(controller) or ""
        found[name] = bool(root) and os.path.exists(f"{root}/{file}")
    # The pids controller has no limit file in its root group; the tree is the evidence.
    return found


def security_options(
    *, seccomp: bool, seccomp_profile: str, apparmor: bool, cgroup_namespaces: bool
) -> list[str]:
    """The API's list of what confines containers here."""
    options = []
    if apparmor:
        options.append("name=apparmor")
    if seccomp:
        options.append(f"name=seccomp,profile={seccomp_profile}")
    if cgroup_namespaces:
        options.append("name=cgroupns")
    return options


def read_host_info(host: CgroupHost, *, seccomp_profile: str = "builtin") -> HostInfo:
    """Read everything, at once; takes about a millisecond and changes only with the host."""
    uname = os.uname()
    release = parse_os_release(_read("/etc/os-release") or _read("/usr/lib/os-release"))
    version_2 = host.version == 2
    return HostInfo(
        name=uname.nodename,
        kernel_version=uname.release,
        operating_system=operating_system(release, in_container=_in_container()),
        os_version=release.get("VERSION_ID", ""),
        architecture=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        memory=parse_memory_total(_read("/proc/meminfo")),
        cgroup_version=str(host.version),
        limits=supported_limits(host),
        security_options=security_options(
            seccomp=os.path.exists("/proc/sys/kernel/seccomp/actions_avail"),
            seccomp_profile=seccomp_profile,
            apparmor=_read("/sys/module/apparmor/parameters/enabled").startswith("Y"),
            # On v1 containers share the host's cgroup namespace unless asked, so Docker is silent.
            cgroup_namespaces=version_2 and os.path.exists("/proc/self/ns/cgroup"),
        ),
        ipv4_forwarding=_read("/proc/sys/net/ipv4/ip_forward").strip() == "1",
        cpuset=_cpuset(host, "cpus"),
        memory_nodes=_cpuset(host, "mems"),
    )


def _cpuset(host: CgroupHost, kind: str) -> str:
    """What the root of the cpuset tree may use."""
    root = host.root("cpuset") or ""
    name = f"cpuset.{kind}.effective" if host.version == 2 else f"cpuset.effective_{kind}"
    return _read(f"{root}/{name}").strip() if root else ""


def _in_container() -> bool:
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")


def _read(path: str) -> str:
    """A small file's text, "" when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
