"""What this host can limit: limits it cannot set are dropped with a warning, as Docker does. Pure.

Source: behaviours 25, 27; moby's daemon/daemon_unix.go, `verifyPlatformContainerResources`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field, structs

from wharfie.formats.cpulist import parse_cpu_list
from wharfie.model.container import HostConfig
from wharfie.model.errors import InvalidArgument

_UNMOUNTED = "or the cgroup is not mounted."


class HostAbilities(Struct, frozen=True, kw_only=True):
    """Which limits a host knows.

    Attributes:
        limits: by the names `docker info` gives them; a missing one is known.
        cpus: processors containers may run on ("0-3"), "" when that is not known.
        memory_nodes: memory nodes likewise.
    """

    limits: Mapping[str, bool] = field(default_factory=dict)
    cpus: str = ""
    memory_nodes: str = ""

    def has(self, limit: str) -> bool:
        """Tell whether a limit can be set."""
        return self.limits.get(limit, True)


def fit_limits(host: HostConfig, abilities: HostAbilities) -> tuple[HostConfig, list[str]]:
    """The limits that can be set, and a warning for each that cannot.

    Raises:
        InvalidArgument: what cannot be dropped without changing what was asked for.
    """
    if host.memory_swappiness == -1:
        host = structs.replace(host, memory_swappiness=None)
    warnings: list[str] = []
    for step in (_fit_memory, _fit_kills, _fit_processor, _fit_sets, _fit_blocks):
        host = step(host, abilities, warnings)
    return host, warnings


def _fit_memory(host: HostConfig, abilities: HostAbilities, warnings: list[str]) -> HostConfig:
    if host.memory > 0 and not abilities.has("MemoryLimit"):
        warnings.append(
            f"Your kernel does not support memory limit capabilities {_UNMOUNTED} "
            "Limitation discarded."
        )
        host = structs.replace(host, memory=0, memory_swap=-1)
    if host.memory > 0 and host.memory_swap != -1 and not abilities.has("SwapLimit"):
        warnings.append(
            f"Your kernel does not support swap limit capabilities {_UNMOUNTED} "
            "Memory limited without swap."
        )
        host = structs.replace(host, memory_swap=-1)
    if host.memory_swappiness is not None and not abilities.has("MemorySwappiness"):
        warnings.append(
            f"Your kernel does not support memory swappiness capabilities {_UNMOUNTED} "
            "Memory swappiness discarded."
        )
        host = structs.replace(host, memory_swappiness=None)
    if host.memory_reservation > 0 and not abilities.has("MemoryReservation"):
        warnings.append(
            f"Your kernel does not support memory soft limit capabilities {_UNMOUNTED} "
            "Limitation discarded."
        )
        host = structs.replace(host, memory_reservation=0)
    return host


def _fit_kills(host: HostConfig, abilities: HostAbilities, warnings: list[str]) -> HostConfig:
    if host.oom_kill_disable is not None and not abilities.has("OomKillDisable"):
        if host.oom_kill_disable:
            warnings.append(
                "Your kernel does not support OomKillDisable. OomKillDisable discarded."
            )
        host = structs.replace(host, oom_kill_disable=None)
    if host.oom_kill_disable and not host.memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can result "
            "in the system running out of resources."
        )
    if host.pids_limit is not None and not abilities.has("PidsLimit"):
        if host.pids_limit > 0:
            warnings.append(
                f"Your kernel does not support PIDs limit capabilities {_UNMOUNTED} "
                "PIDs limit discarded."
            )
        host = structs.replace(host, pids_limit=None)
    return host


def _fit_processor(host: HostConfig, abilities: HostAbilities, warnings: list[str]) -> HostConfig:
    has_quota = abilities.has("CpuCfsQuota") and abilities.has("CpuCfsPeriod")
    if host.nano_cpus > 0 and not has_quota:
        raise InvalidArgument(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler "
            "or the cgroup is not mounted"
        )
    if host.cpu_shares > 0 and not abilities.has("CPUShares"):
        warnings.append(f"Your kernel does not support CPU shares {_UNMOUNTED} Shares discarded.")
        host = structs.replace(host, cpu_shares=0)
    if (host.cpu_period or host.cpu_quota) and not has_quota:
        warnings.append(
            "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."
        )
        host = structs.replace(host, cpu_period=0, cpu_quota=0)
    if host.cpu_percent > 0:
        warnings.append("linux does not support CPU percent. Percent discarded.")
        host = structs.replace(host, cpu_percent=0)
    if host.cpu_realtime_period or host.cpu_realtime_runtime:
        if not abilities.has("CpuRealtimeRuntime"):
            raise InvalidArgument("Your kernel does not support CPU real-time scheduler")
        if host.cpu_realtime_runtime > host.cpu_realtime_period > 0:
            raise InvalidArgument(
                "cpu real-time runtime cannot be higher than cpu real-time period"
            )
    return host


def _fit_sets(host: HostConfig, abilities: HostAbilities, warnings: list[str]) -> HostConfig:
    if (host.cpuset_cpus or host.cpuset_mems) and not abilities.has("CPUSet"):
        warnings.append(f"Your kernel does not support cpuset {_UNMOUNTED} Cpuset discarded.")
        return structs.replace(host, cpuset_cpus="", cpuset_mems="")
    _check_set(host.cpuset_cpus, abilities.cpus, "cpuset cpus", "CPUs")
    _check_set(host.cpuset_mems, abilities.memory_nodes, "cpuset mems", "memory nodes")
    return host


def _check_set(wanted: str, available: str, name: str, things: str) -> None:
    try:
        numbers = parse_cpu_list(wanted)
    except ValueError as error:
        raise InvalidArgument(f"Invalid value {wanted} for {name}: {error}") from None
    if available and not numbers <= parse_cpu_list(available):
        raise InvalidArgument(
            f"Requested {things} are not available - requested {wanted}, available: {available}"
        )


_BLOCK_LIMITS = (
    ("blkio_weight_device", "BlkioWeightDevice",
     f"Block I/O weight_device {_UNMOUNTED} Weight-device discarded."),
    ("blkio_device_read_bps", "BlkioReadBpsDevice",
     f"BPS Block I/O read limit {_UNMOUNTED} Block I/O BPS read limit discarded."),
    ("blkio_device_write_bps", "BlkioWriteBpsDevice",
     f"BPS Block I/O write limit {_UNMOUNTED} Block I/O BPS write limit discarded."),
    ("blkio_device_read_iops", "BlkioReadIOpsDevice",
     f"IOPS Block read limit {_UNMOUNTED} Block I/O IOPS read limit discarded."),
    ("blkio_device_write_iops", "BlkioWriteIOpsDevice",
     f"IOPS Block write limit {_UNMOUNTED} Block I/O IOPS write limit discarded."),
)  # fmt: skip
"""Field, ability, warning."""


def _fit_blocks(host: HostConfig, abilities: HostAbilities, warnings: list[str]) -> HostConfig:
    if host.io_maximum_bandwidth or host.io_maximum_iops:
        raise InvalidArgument(
            "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps"
        )
    if host.blkio_weight > 0 and not abilities.has("BlkioWeight"):
        warnings.append(
            f"Your kernel does not support Block I/O weight {_UNMOUNTED} Weight discarded."
        )
        host = structs.replace(host, blkio_weight=0)
    for name, ability, warning in _BLOCK_LIMITS:
        if getattr(host, name) and not abilities.has(ability):
            warnings.append(f"Your kernel does not support {warning}")
            host = structs.replace(host, **{name: None})
    return host
