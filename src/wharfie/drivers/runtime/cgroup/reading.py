"""One sample of a container; a dozen small reads, together below a millisecond."""

from __future__ import annotations

import errno
import os
import time

from msgspec import structs

from wharfie.drivers.runtime.cgroup import files, version_1, version_2
from wharfie.kernel.cgroups import CgroupHost
from wharfie.model.usage import CpuStats, NetworkStats, Usage

_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP, errno.ESRCH}
_CHUNK = 1 << 16


def read_usage(host: CgroupHost, path: str, *, pid: int, own_network: bool) -> Usage:
    """Read all counters of a group; those of a group that is gone are zero.

    Args:
        host: its trees.
        path: of the group, below their mount points.
        pid: of the container's process, for its network.
        own_network: it has interfaces of its own.
    """

    def read(controller: str, name: str) -> str:
        root = host.root(controller)
        return "" if root is None else _read(f"{root}{path}/{name}")

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if host.version == 2:
        cpu, memory = version_2.cpu(read), version_2.memory(read, total=total)
        blkio, pids = version_2.blkio(read), version_2.pids(read)
    else:
        cpu, memory = version_1.cpu(read, ticks=_TICKS), version_1.memory(read, total=total)
        blkio, pids = version_1.blkio(read), version_1.pids(read)
    return Usage(
        at=time.time_ns(),
        cpu=_with_system(cpu),
        memory=memory,
        blkio=blkio,
        pids=pids,
        networks=_networks(pid) if own_network else None,
    )


def _with_system(cpu: CpuStats) -> CpuStats:
    system, cpus = files.system_time(_read("/proc/stat"), _TICKS)
    return structs.replace(cpu, system_cpu_usage=system, online_cpus=cpus)


def _networks(pid: int) -> dict[str, NetworkStats] | None:
    return files.interfaces(_read(f"/proc/{pid}/net/dev")) or None


def _read(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, _CHUNK)
            while more := os.read(fd, _CHUNK):
                data += more
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return ""
        raise
    return data.decode("ascii", "replace")
