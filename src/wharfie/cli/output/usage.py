"""Figures of `stats`, computed from the daemon's raw counters."""

from __future__ import annotations

from wharfie.cli.output.values import mapping, number, objects, text
from wharfie.formats.units import binary_size, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Item = Mapping[str, object]


class Usage:
    """What one container uses."""

    __slots__ = (
        "container", "cpu", "identifier", "limit", "memory", "name", "pids", "read", "received",
        "sent", "written",
    )  # fmt: skip

    def __init__(self, container: str, stats: Item) -> None:
        self.container = container
        self.identifier = text(stats, "id") or container
        self.name = text(stats, "name").removeprefix("/")
        self.cpu = cpu_percent(stats)
        self.memory = memory_used(mapping(stats, "memory_stats"))
        self.limit = number(mapping(stats, "memory_stats"), "limit")
        networks = [item for item in mapping(stats, "networks").values() if isinstance(item, dict)]
        self.received = sum(number(item, "rx_bytes") for item in networks)
        self.sent = sum(number(item, "tx_bytes") for item in networks)
        self.read = self.written = 0
        for entry in objects(mapping(stats, "blkio_stats").get("io_service_bytes_recursive")):
            letter = text(entry, "op")[:1].lower()
            self.read += number(entry, "value") if letter == "r" else 0
            self.written += number(entry, "value") if letter == "w" else 0
        self.pids = number(mapping(stats, "pids_stats"), "current")

    def row(self) -> Item:
        """Return the cells."""
        share = self.memory / self.limit * 100 if self.limit else 0.0
        return {
            "Container": self.container,
            "ID": self.identifier,
            "Name": self.name,
            "CPUPerc": f"{self.cpu:.2f}%",
            "MemUsage": f"{binary_size(self.memory)} / {binary_size(self.limit)}",
            "MemPerc": f"{share:.2f}%",
            "NetIO": f"{human_size(self.received, 3)} / {human_size(self.sent, 3)}",
            "BlockIO": f"{human_size(self.read, 3)} / {human_size(self.written, 3)}",
            "PIDs": str(self.pids),
        }


def cpu_percent(stats: Item) -> float:
    """Return the share of one CPU used between the two samples, in percent."""
    now, before = mapping(stats, "cpu_stats"), mapping(stats, "precpu_stats")
    used = number(mapping(now, "cpu_usage"), "total_usage") - number(
        mapping(before, "cpu_usage"), "total_usage"
    )
    passed = number(now, "system_cpu_usage") - number(before, "system_cpu_usage")
    if used <= 0 or passed <= 0:
        return 0.0
    each = mapping(now, "cpu_usage").get("percpu_usage")
    cpus = number(now, "online_cpus") or (len(each) if isinstance(each, list) else 0)
    return used / passed * cpus * 100


def memory_used(memory: Item) -> int:
    """Return the memory in use without the page cache that can be dropped at once."""
    usage, details = number(memory, "usage"), mapping(memory, "stats")
    for name in ("total_inactive_file", "inactive_file"):
        if name in details:
            inactive = number(details, name)
            return usage - inactive if inactive < usage else usage
    return usage


def measure(container: str, stats: Item) -> Usage:
    """Read one sample of the daemon's."""
    return Usage(container, stats)
