"""Counters of a v2 group, with the shapes of real files (behaviours 196)."""

from wharfie.drivers.runtime.cgroup import version_2
from wharfie.model.usage import BlkioEntry

FILES = {
    "cpu.stat": (
        "usage_usec 163541\nuser_usec 60000\nsystem_usec 103541\nnice_usec 0\n"
        "core_sched.force_idle_usec 0\nnr_periods 12\nnr_throttled 2\nthrottled_usec 700\n"
    ),
    "memory.current": "7442432\n",
    "memory.max": "67108864\n",
    "memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n",
    "memory.stat": (
        "anon 102400\nfile 6291456\nkernel 700000\nkernel_stack 16384\nsock 0\n"
        "inactive_file 6287360\n"
        "workingset_refault_anon 3\nworkingset_refault_file 4\nworkingset_activate_anon 1\n"
        "workingset_activate_file 0\npgfault 1512\nzswap 0\n"
    ),
    "io.stat": "253:0 rbytes=6537216 wbytes=20480 rios=114 wios=5 dbytes=0 dios=0\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
}


def read(controller: str, name: str) -> str:
    assert name.partition(".")[0] == controller
    return FILES.get(name, "")


def test_b196_processor_time_has_no_share_of_each_processor() -> None:
    cpu = version_2.cpu(read)
    assert cpu.cpu_usage.total_usage == 163541_000
    assert cpu.cpu_usage.usage_in_usermode == 60000_000
    assert cpu.cpu_usage.usage_in_kernelmode == 103541_000
    assert not isinstance(cpu.cpu_usage.percpu_usage, list)
    throttled = cpu.throttling_data
    assert (throttled.periods, throttled.throttled_periods) == (12, 2)
    assert throttled.throttled_time == 700_000


def test_b196_memory_has_failures_by_oom_and_no_maximum() -> None:
    memory = version_2.memory(read, total=1 << 34)
    assert (memory.usage, memory.limit, memory.failcnt) == (7442432, 67108864, 2)
    assert memory.max_usage == 0
    assert memory.stats["inactive_file"] == 6287360
    assert memory.stats["workingset_refault"] == 7
    assert memory.stats["anon_thp"] == 0
    assert "zswap" not in memory.stats


def test_b196_block_devices_are_bytes_and_all_else_is_null() -> None:
    blkio = version_2.blkio(read)
    assert blkio.io_service_bytes_recursive == [
        BlkioEntry(253, 0, "read", 6537216),
        BlkioEntry(253, 0, "write", 20480),
    ]
    assert blkio.io_serviced_recursive is None
    assert blkio.sectors_recursive is None


def test_b196_processes_without_a_limit() -> None:
    pids = version_2.pids(read)
    assert (pids.current, pids.limit) == (3, 0)


def test_a_group_without_files_has_zeroes() -> None:
    memory = version_2.memory(lambda *_: "", total=5)
    assert (memory.usage, memory.limit, memory.stats) == (0, 5, {})
