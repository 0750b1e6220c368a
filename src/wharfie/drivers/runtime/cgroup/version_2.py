"""Counters of a group on cgroup v2: one tree.

Source: the kernel's cgroup-v2.rst; behaviours 196.
"""

from __future__ import annotations

from wharfie.drivers.runtime.cgroup import files
from wharfie.drivers.runtime.cgroup.version_1 import Read
from wharfie.model.usage import (
    BlkioStats,
    CpuStats,
    CpuUsage,
    MemoryStats,
    PidsStats,
    Throttling,
)

_SHOWN = (
    *("anon", "file", "kernel_stack", "slab", "sock", "shmem", "file_mapped", "file_dirty"),
    *("file_writeback", "anon_thp", "inactive_anon", "active_anon", "inactive_file"),
    *("active_file", "unevictable", "slab_reclaimable", "slab_unreclaimable", "pgfault"),
    *("pgmajfault", "workingset_refault", "workingset_activate", "workingset_nodereclaim"),
    *("pgrefill", "pgscan", "pgsteal", "pgactivate", "pgdeactivate", "pglazyfree"),
    *("pglazyfreed", "thp_fault_alloc", "thp_collapse_alloc"),
)
"""Of memory.stat, what Docker shows; a counter this kernel lacks is 0."""
_SPLIT = ("workingset_refault", "workingset_activate")
"""One counter until Linux 5.9, two since: of anonymous pages and of the files'."""
_MICRO = 1000


def cpu(read: Read) -> CpuStats:
    """Processor time; the kernel counts microseconds."""
    found = files.table(read("cpu", "cpu.stat"))
    return CpuStats(
        cpu_usage=CpuUsage(
            total_usage=found.get("usage_usec", 0) * _MICRO,
            usage_in_kernelmode=found.get("system_usec", 0) * _MICRO,
            usage_in_usermode=found.get("user_usec", 0) * _MICRO,
        ),
        throttling_data=Throttling(
            periods=found.get("nr_periods", 0),
            throttled_periods=found.get("nr_throttled", 0),
            throttled_time=found.get("throttled_usec", 0) * _MICRO,
        ),
    )


def memory(read: Read, *, total: int) -> MemoryStats:
    """Memory; failures are the times the OOM killer was thought of."""
    limit = files.number(read("memory", "memory.max"))
    return MemoryStats(
        usage=files.number(read("memory", "memory.current")),
        stats=_details(files.table(read("memory", "memory.stat"))),
        failcnt=files.table(read("memory", "memory.events")).get("oom", 0),
        limit=min(limit or total, total),
    )


def blkio(read: Read) -> BlkioStats:
    """Block devices: bytes read and written are all that is told."""
    return BlkioStats(io_service_bytes_recursive=files.io_bytes(read("io", "io.stat")))


def pids(read: Read) -> PidsStats:
    """Processes and threads."""
    return PidsStats(
        current=files.number(read("pids", "pids.current")),
        limit=files.number(read("pids", "pids.max")),
    )


def _details(found: dict[str, int]) -> dict[str, int]:
    if not found:
        return {}
    for name in _SPLIT:
        if name not in found:
            found[name] = found.get(f"{name}_anon", 0) + found.get(f"{name}_file", 0)
    return {name: found.get(name, 0) for name in _SHOWN}
