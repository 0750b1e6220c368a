"""Counters of a v2 group, from the files of a real one (behaviours 196)."""

from pathlib import Path

from wharfie.drivers.runtime.cgroup import version_2
from wharfie.model.usage import BlkioEntry

RECORDED = Path(__file__).parents[4] / "golden/cgroup2"


def read(controller: str, name: str) -> str:
    assert name.partition(".")[0] == controller
    file = RECORDED / name
    return file.read_text() if file.exists() else ""


def test_b196_processor_time_has_no_share_of_each_processor() -> None:
    cpu = version_2.cpu(read)
    assert cpu.cpu_usage.total_usage == 11701744_000
    assert cpu.cpu_usage.usage_in_usermode == 2650777_000
    assert cpu.cpu_usage.usage_in_kernelmode == 9050967_000
    assert not isinstance(cpu.cpu_usage.percpu_usage, list)
    throttled = cpu.throttling_data
    assert (throttled.periods, throttled.throttled_periods) == (235, 231)
    assert throttled.throttled_time == 15672286_000


def test_b196_memory_has_failures_by_oom_and_no_maximum() -> None:
    memory = version_2.memory(read, total=1 << 34)
    assert (memory.usage, memory.limit, memory.failcnt) == (643072, 67108864, 1)
    assert memory.max_usage == 0
    assert memory.stats["inactive_file"] == 40960
    assert memory.stats["pgfault"] == 9524
    assert memory.stats["anon_thp"] == 0
    assert memory.stats["anon"] == 229376
    assert "thp_fault_alloc" in memory.stats


def test_b196_block_devices_are_bytes_and_all_else_is_null() -> None:
    blkio = version_2.blkio(read)
    assert blkio.io_service_bytes_recursive == [
        BlkioEntry(254, 0, "read", 13930496),
        BlkioEntry(254, 0, "write", 8388608),
    ]
    assert blkio.io_serviced_recursive is None
    assert blkio.sectors_recursive is None


def test_b196_processes_and_their_limit() -> None:
    pids = version_2.pids(read)
    assert (pids.current, pids.limit) == (2, 100)


def test_b196_processes_without_a_limit() -> None:
    pids = version_2.pids(lambda _, name: {"pids.current": "3\n", "pids.max": "max\n"}[name])
    assert (pids.current, pids.limit) == (3, 0)


def test_a_group_without_files_has_zeroes() -> None:
    memory = version_2.memory(lambda *_: "", total=5)
    assert (memory.usage, memory.limit, memory.stats) == (0, 5, {})


def test_b196_refaults_are_those_of_both_kinds() -> None:
    stat = "workingset_refault_anon 3\nworkingset_refault_file 4\nworkingset_activate_anon 1\n"
    memory = version_2.memory(lambda _, name: stat if name == "memory.stat" else "", total=5)
    assert memory.stats["workingset_refault"] == 7
