"""The kernel's counter files: text to numbers.

Source: the kernel's cgroup-v1/*.rst and cgroup-v2.rst; proc(5), `/proc/stat`, `/proc/net/dev`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wharfie.model.usage import BlkioEntry, NetworkStats

_SYSTEM_FIELDS = 7
"""user nice system idle iowait irq softirq: what Docker counts as the system's time."""
_COLUMNS = 16


def number(text: str) -> int:
    """A file of one number; "max" and nothing at all are 0."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() else 0


def numbers(text: str) -> list[int]:
    """A file of numbers in a row."""
    return [int(word) for word in text.split() if word.isdecimal()]


def table(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isascii() and value.isdecimal():
            found[name] = int(value)
    return found


def blkio_entries(text: str) -> list[BlkioEntry]:
    """A v1 file: lines `8:0 Read 4096`, or `8:0 17` without an operation; totals are left out."""
    found = []
    for line in text.splitlines():
        device, _, rest = line.partition(" ")
        numbers_ = _device(device)
        operation, _, value = rest.rpartition(" ")
        if numbers_ is not None and value.isdecimal():
            found.append(BlkioEntry(*numbers_, operation, int(value)))
    return found


def io_bytes(text: str) -> list[BlkioEntry]:
    """v2's `io.stat`: lines `8:0 rbytes=4096 wbytes=0 rios=1 …`; bytes read and written."""
    found = []
    for line in text.splitlines():
        device, _, rest = line.partition(" ")
        numbers_ = _device(device)
        if numbers_ is None:
            continue
        values = dict(pair.split("=", 1) for pair in rest.split() if "=" in pair)
        for operation, name in (("read", "rbytes"), ("write", "wbytes")):
            found.append(BlkioEntry(*numbers_, operation, number(values.get(name, ""))))
    return found


def system_time(text: str, ticks: int) -> tuple[int, int]:
    """From `/proc/stat`: nanoseconds the whole host has had, and its processors.

    Args:
        text: of the file.
        ticks: a second, from sysconf.
    """
    total = cpus = 0
    for line in text.splitlines():
        if not line.startswith("cpu"):
            break
        name, *fields = line.split()
        if name == "cpu":
            total = sum(int(field) for field in fields[:_SYSTEM_FIELDS])
        else:
            cpus += 1
    return total * (1_000_000_000 // ticks), cpus


def interfaces(text: str) -> dict[str, NetworkStats]:
    """From `/proc/<pid>/net/dev`: all interfaces but the loopback one."""
    return dict(_interfaces(text))


def _interfaces(text: str) -> Iterator[tuple[str, NetworkStats]]:
    for line in text.splitlines():
        # A name may hold a colon (an alias of old), a number never.
        name, colon, rest = line.strip().rpartition(":")
        values = rest.split()
        if not colon or name == "lo" or len(values) < _COLUMNS or not values[0].isdecimal():
            continue
        counts = [int(value) for value in values]
        yield (
            name,
            NetworkStats(
                rx_bytes=counts[0],
                rx_packets=counts[1],
                rx_errors=counts[2],
                rx_dropped=counts[3],
                tx_bytes=counts[8],
                tx_packets=counts[9],
                tx_errors=counts[10],
                tx_dropped=counts[11],
            ),
        )


def _device(text: str) -> tuple[int, int] | None:
    major, colon, minor = text.partition(":")
    if colon and major.isdecimal() and minor.isdecimal():
        return int(major), int(minor)
    return None
