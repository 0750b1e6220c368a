"""Counters of a group on cgroup v1: one tree a controller.

Source: the kernel's cgroup-v1/{cpuacct,memory,blkio-controller,pids}.rst.
"""

from __future__ import annotations

from collections.abc import Callable

from wharfie.drivers.runtime.cgroup import files
from wharfie.model.usage import (
    BlkioEntry,
    BlkioStats,
    CpuStats,
    CpuUsage,
    MemoryStats,
    PidsStats,
    Throttling,
)

Read = Callable[[str, str], str]
"""Controller and file name to the file's text; "" where there is none."""


def cpu(read: Read, *, ticks: int) -> CpuStats:
    """Processor time; the split in user and kernel comes in ticks of the clock."""
    split = files.table(read("cpuacct", "cpuacct.stat"))
    throttled = files.table(read("cpu", "cpu.stat"))
    tick = 1_000_000_000 // ticks
    return CpuStats(
        cpu_usage=CpuUsage(
            total_usage=files.number(read("cpuacct", "cpuacct.usage")),
            percpu_usage=files.numbers(read("cpuacct", "cpuacct.usage_percpu")),
            usage_in_kernelmode=split.get("system", 0) * tick,
            usage_in_usermode=split.get("user", 0) * tick,
        ),
        throttling_data=Throttling(
            periods=throttled.get("nr_periods", 0),
            throttled_periods=throttled.get("nr_throttled", 0),
            throttled_time=throttled.get("throttled_time", 0),
        ),
    )


def memory(read: Read, *, total: int) -> MemoryStats:
    """Memory; a limit beyond the host's memory is none."""
    limit = files.number(read("memory", "memory.limit_in_bytes"))
    return MemoryStats(
        usage=files.number(read("memory", "memory.usage_in_bytes")),
        max_usage=files.number(read("memory", "memory.max_usage_in_bytes")),
        failcnt=files.number(read("memory", "memory.failcnt")),
        stats=files.table(read("memory", "memory.stat")),
        limit=min(limit or total, total),
    )


def blkio(read: Read) -> BlkioStats:
    """Block devices: counted by the scheduler where it can, else by the throttling layer."""

    def entries(*names: str) -> list[BlkioEntry]:
        for name in names:
            if found := files.blkio_entries(read("blkio", f"blkio.{name}_recursive")):
                return found
        return []

    return BlkioStats(
        io_service_bytes_recursive=entries(
            "io_service_bytes", "bfq.io_service_bytes", "throttle.io_service_bytes"
        ),
        io_serviced_recursive=entries("io_serviced", "bfq.io_serviced", "throttle.io_serviced"),
        io_queue_recursive=entries("io_queued"),
        io_service_time_recursive=entries("io_service_time"),
        io_wait_time_recursive=entries("io_wait_time"),
        io_merged_recursive=entries("io_merged"),
        io_time_recursive=entries("time"),
        sectors_recursive=entries("sectors"),
    )


def pids(read: Read) -> PidsStats:
    """Processes and threads."""
    return PidsStats(
        current=files.number(read("pids", "pids.current")),
        limit=files.number(read("pids", "pids.max")),
    )
