"""Counters of a v1 group, with the files of a real one (Linux 6.18, a busybox that wrote)."""

from wharfie.drivers.runtime.cgroup import version_1
from wharfie.model.usage import BlkioEntry

FILES = {
    ("cpuacct", "cpuacct.usage"): "76367141\n",
    ("cpuacct", "cpuacct.usage_percpu"): "28272111 1042746 47052284 0 \n",
    ("cpuacct", "cpuacct.stat"): "user 1\nsystem 6\n",
    ("cpu", "cpu.stat"): "nr_periods 3\nnr_throttled 1\nthrottled_time 500\nnr_bursts 0\n",
    ("memory", "memory.usage_in_bytes"): "24145920\n",
    ("memory", "memory.max_usage_in_bytes"): "25616384\n",
    ("memory", "memory.failcnt"): "0\n",
    ("memory", "memory.limit_in_bytes"): "67108864\n",
    ("memory", "memory.stat"): "cache 22970368\nrss 49152\ntotal_inactive_file 21790720\n",
    ("pids", "pids.current"): "2\n",
    ("pids", "pids.max"): "100\n",
    ("blkio", "blkio.throttle.io_service_bytes_recursive"): "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
    ("blkio", "blkio.bfq.io_serviced_recursive"): "Total 0\n",
}


def read(controller: str, name: str) -> str:
    return FILES.get((controller, name), "")


def test_processor_time_in_nanoseconds() -> None:
    cpu = version_1.cpu(read, ticks=100)
    assert cpu.cpu_usage.total_usage == 76367141
    assert cpu.cpu_usage.percpu_usage == [28272111, 1042746, 47052284, 0]
    assert cpu.cpu_usage.usage_in_kernelmode == 60_000_000
    assert cpu.cpu_usage.usage_in_usermode == 10_000_000
    throttled = cpu.throttling_data
    assert (throttled.periods, throttled.throttled_periods) == (3, 1)
    assert throttled.throttled_time == 500


def test_memory_with_its_limit() -> None:
    memory = version_1.memory(read, total=1 << 34)
    assert (memory.usage, memory.max_usage, memory.limit) == (24145920, 25616384, 67108864)
    assert memory.stats["total_inactive_file"] == 21790720


def test_no_limit_shows_as_the_hosts_memory() -> None:
    def unlimited(controller: str, name: str) -> str:
        is_limit = name == "memory.limit_in_bytes"
        return "9223372036854771712\n" if is_limit else read(controller, name)

    assert version_1.memory(unlimited, total=1 << 34).limit == 1 << 34


def test_block_devices_by_whoever_counts_them() -> None:
    blkio = version_1.blkio(read)
    assert blkio.io_service_bytes_recursive == [
        BlkioEntry(8, 0, "Read", 1),
        BlkioEntry(8, 0, "Write", 2),
    ]
    assert blkio.io_serviced_recursive == []
    assert blkio.sectors_recursive == []


def test_processes_with_their_limit() -> None:
    pids = version_1.pids(read)
    assert (pids.current, pids.limit) == (2, 100)


def test_a_group_without_files_has_zeroes() -> None:
    assert version_1.cpu(lambda *_: "", ticks=100).cpu_usage.total_usage == 0
    assert version_1.memory(lambda *_: "", total=5).limit == 5
