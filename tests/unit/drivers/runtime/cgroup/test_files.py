"""The kernel's counter files, as they were read on real machines."""

import pytest

from wharfie.drivers.runtime.cgroup import files
from wharfie.model.usage import BlkioEntry, NetworkStats


@pytest.mark.parametrize(("text", "value"), [("17\n", 17), ("max\n", 0), ("", 0), ("-1\n", 0)])
def test_a_number_without_a_limit_is_zero(text: str, value: int) -> None:
    assert files.number(text) == value


def test_a_table_takes_only_lines_of_a_name_and_a_number() -> None:
    text = "cache 4096\nrss 0\nsome avg10=0.00\n\ntotal_cache 5\n"
    assert files.table(text) == {"cache": 4096, "rss": 0, "total_cache": 5}


def test_v1_block_counters_leave_out_the_total() -> None:
    text = "8:0 Read 4096\n8:0 Write 8192\n8:16 Total 1\nTotal 12288\n"
    assert files.blkio_entries(text) == [
        BlkioEntry(8, 0, "Read", 4096),
        BlkioEntry(8, 0, "Write", 8192),
        BlkioEntry(8, 16, "Total", 1),
    ]
    assert files.blkio_entries("8:0 17\n") == [BlkioEntry(8, 0, "", 17)]


def test_v2_block_counters_are_bytes_read_and_written() -> None:
    text = "253:0 rbytes=6537216 wbytes=20480 rios=114 wios=5 dbytes=0 dios=0\n7:0\n"
    assert files.io_bytes(text) == [
        BlkioEntry(253, 0, "read", 6537216),
        BlkioEntry(253, 0, "write", 20480),
        BlkioEntry(7, 0, "read", 0),
        BlkioEntry(7, 0, "write", 0),
    ]


def test_the_systems_time_is_the_first_seven_fields() -> None:
    text = "cpu  10 1 20 300 4 0 6 7 8 9\ncpu0 5 0 10 150 2 0 3 0 0 0\ncpu1 5 1 1 1 1 1 1 1\nintr 1"
    assert files.system_time(text, 100) == (341 * 10_000_000, 2)


def test_all_interfaces_but_loopback_are_counted() -> None:
    text = (
        "Inter-|   Receive                            |  Transmit\n"
        " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop\n"
        "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  eth0:952      10    1    2    0     0          0         0  84 3 4 5 0 0 0 0\n"
        "eth0:1: 7 0 0 0 0 0 0 0 8 0 0 0 0 0 0 0\n"
    )
    found = files.interfaces(text)
    assert list(found) == ["eth0", "eth0:1"]
    assert found["eth0"] == NetworkStats(
        rx_bytes=952, rx_packets=10, rx_errors=1, rx_dropped=2,
        tx_bytes=84, tx_packets=3, tx_errors=4, tx_dropped=5,
    )  # fmt: skip
