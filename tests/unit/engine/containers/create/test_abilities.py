"""Limits this host cannot set: dropped with Docker's warning, or refused."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.create.abilities import HostAbilities, fit_limits
from wharfie.model.container import HostConfig, ThrottleDevice, WeightDevice
from wharfie.model.errors import InvalidArgument

NAMES = (
    "MemoryLimit", "SwapLimit", "MemoryReservation", "OomKillDisable", "MemorySwappiness",
    "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CpuRealtimePeriod", "CpuRealtimeRuntime",
    "CPUSet", "PidsLimit", "BlkioWeight", "BlkioWeightDevice", "BlkioReadBpsDevice",
    "BlkioWriteBpsDevice", "BlkioReadIOpsDevice", "BlkioWriteIOpsDevice",
)  # fmt: skip
NOTHING = HostAbilities(limits=dict.fromkeys(NAMES, False))
MIB = 1 << 20


@pytest.mark.parametrize(
    ("wanted", "left", "warning"),
    [
        (HostConfig(memory=64 * MIB, memory_swap=128 * MIB), HostConfig(memory_swap=-1),
         "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
         "Limitation discarded."),
        (HostConfig(memory_swappiness=60), HostConfig(),
         "Your kernel does not support memory swappiness capabilities or the cgroup is not "
         "mounted. Memory swappiness discarded."),
        (HostConfig(memory_reservation=8 * MIB), HostConfig(),
         "Your kernel does not support memory soft limit capabilities or the cgroup is not "
         "mounted. Limitation discarded."),
        (HostConfig(oom_kill_disable=True), HostConfig(),
         "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
        (HostConfig(pids_limit=9), HostConfig(),
         "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
         "PIDs limit discarded."),
        (HostConfig(cpu_shares=9), HostConfig(),
         "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded."),
        (HostConfig(cpu_period=1000, cpu_quota=2000), HostConfig(),
         "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."),
        (HostConfig(cpu_percent=5), HostConfig(),
         "linux does not support CPU percent. Percent discarded."),
        (HostConfig(cpuset_cpus="0", cpuset_mems="0"), HostConfig(),
         "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded."),
        (HostConfig(blkio_weight=100), HostConfig(),
         "Your kernel does not support Block I/O weight or the cgroup is not mounted. "
         "Weight discarded."),
        (HostConfig(blkio_weight_device=[WeightDevice("/dev/x", 5)]), HostConfig(),
         "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
         "Weight-device discarded."),
        (HostConfig(blkio_device_write_iops=[ThrottleDevice("/dev/x", 5)]), HostConfig(),
         "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. "
         "Block I/O IOPS write limit discarded."),
    ],
)  # fmt: skip
def test_b027_what_the_kernel_cannot_limit_is_dropped_with_a_warning(
    wanted: HostConfig, left: HostConfig, warning: str
) -> None:
    assert fit_limits(wanted, NOTHING) == (left, [warning])
    able, warnings = fit_limits(wanted, HostAbilities())
    if wanted.cpu_percent == 0 and not wanted.oom_kill_disable:
        assert (able, warnings) == (wanted, [])


def test_b027_memory_without_swap_accounting_is_limited_alone() -> None:
    abilities = HostAbilities(limits={"SwapLimit": False})
    host, warnings = fit_limits(HostConfig(memory=64 * MIB, memory_swap=128 * MIB), abilities)
    assert (host.memory, host.memory_swap) == (64 * MIB, -1)
    assert warnings == [
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap."
    ]


def test_b027_the_default_swappiness_is_no_wish() -> None:
    host, warnings = fit_limits(HostConfig(memory_swappiness=-1), NOTHING)
    assert (host.memory_swappiness, warnings) == (None, [])


def test_disabling_the_oom_killer_without_a_limit_is_warned_of() -> None:
    host, warnings = fit_limits(HostConfig(oom_kill_disable=True), HostAbilities())
    assert host.oom_kill_disable
    assert warnings[0].startswith("OOM killer is disabled for the container, but no memory limit")


@pytest.mark.parametrize(
    ("wanted", "abilities", "text"),
    [
        (HostConfig(nano_cpus=1), NOTHING, "NanoCPUs can not be set"),
        (HostConfig(cpu_realtime_runtime=5), NOTHING, "CPU real-time scheduler"),
        (HostConfig(cpu_realtime_runtime=5, cpu_realtime_period=4), HostAbilities(), "higher than"),
        (HostConfig(cpuset_cpus="0-3"), HostAbilities(cpus="0-2"),
         "Requested CPUs are not available - requested 0-3, available: 0-2"),
        (HostConfig(cpuset_mems="1"), HostAbilities(memory_nodes="0"),
         "Requested memory nodes are not available - requested 1, available: 0"),
        (HostConfig(cpuset_cpus="zero"), HostAbilities(), "Invalid value zero for cpuset cpus"),
        (HostConfig(io_maximum_iops=1), HostAbilities(), "Invalid QoS settings"),
    ],
)  # fmt: skip
def test_b025_what_cannot_be_dropped_is_refused(
    wanted: HostConfig, abilities: HostAbilities, text: str
) -> None:
    with pytest.raises(InvalidArgument, match=text):
        fit_limits(wanted, abilities)
