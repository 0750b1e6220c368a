"""What a container uses: counters of its control group and its network interfaces.

The field names are those of the stats reply, which alone in the API writes snake_case. Fields
that default to UNSET are left out where the kernel does not tell; a list that is None is sent
as null: so Docker shows what cgroup v2 does not count.

Source: Engine API 1.51, ContainerStatsResponse and the definitions below it.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field


class CpuUsage(Struct, frozen=True, kw_only=True):
    """Processor time in nanoseconds."""

    total_usage: int = 0
    percpu_usage: list[int] | UnsetType = UNSET
    usage_in_kernelmode: int = 0
    usage_in_usermode: int = 0


class Throttling(Struct, frozen=True, kw_only=True):
    """How often and how long (nanoseconds) a processor limit held it up."""

    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0


class CpuStats(Struct, frozen=True, kw_only=True):
    """Processor time of the container, and of the whole host for comparison."""

    cpu_usage: CpuUsage = CpuUsage()
    system_cpu_usage: int | UnsetType = UNSET
    online_cpus: int | UnsetType = UNSET
    throttling_data: Throttling = Throttling()


class MemoryStats(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Memory in bytes; `stats` is the kernel's own list, `limit` the host's memory at most."""

    usage: int = 0
    max_usage: int = 0
    stats: dict[str, int] = field(default_factory=dict)
    failcnt: int = 0
    limit: int = 0


class BlkioEntry(Struct, frozen=True):
    """One counter of one block device."""

    major: int
    minor: int
    op: str
    value: int


class BlkioStats(Struct, frozen=True, kw_only=True):
    """Block device counters; only the first exists on cgroup v2."""

    io_service_bytes_recursive: list[BlkioEntry] | None = None
    io_serviced_recursive: list[BlkioEntry] | None = None
    io_queue_recursive: list[BlkioEntry] | None = None
    io_service_time_recursive: list[BlkioEntry] | None = None
    io_wait_time_recursive: list[BlkioEntry] | None = None
    io_merged_recursive: list[BlkioEntry] | None = None
    io_time_recursive: list[BlkioEntry] | None = None
    sectors_recursive: list[BlkioEntry] | None = None


class PidsStats(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Number of processes and threads; no limit is 0 and left out."""

    current: int = 0
    limit: int = 0


class NetworkStats(Struct, frozen=True, kw_only=True):
    """Counters of one interface, as the container sees it."""

    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


class Usage(Struct, frozen=True, kw_only=True):
    """One sample.

    Attributes:
        at: nanoseconds since the epoch; 0 for a container that does not run.
        networks: by interface name; None where the host's network is shared.
    """

    at: int = 0
    cpu: CpuStats = CpuStats()
    memory: MemoryStats = MemoryStats()
    blkio: BlkioStats = BlkioStats()
    pids: PidsStats = PidsStats()
    networks: dict[str, NetworkStats] | None = None


NO_USAGE = Usage()
"""What a container uses that does not run."""
