"""Limits of a container: HostConfig to the cgroup section and the rlimits of the OCI spec.

The OCI section speaks cgroup v1; runtimes translate it for v2 themselves.

Source: behaviours 24–26, 188; OCI runtime spec, "Control groups".
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.formats.oci.runtime import (
    BlockIO,
    BlockThrottleDevice,
    BlockWeightDevice,
    Cpu,
    DeviceRule,
    Memory,
    Pids,
    Resources,
    Rlimit,
)
from wharfie.kernel.devices import device_number
from wharfie.model.container import HostConfig, ThrottleDevice, Ulimit, WeightDevice
from wharfie.model.errors import InvalidArgument

DEFAULT_CPU_PERIOD = 100_000
"""Microseconds; the kernel's own default."""
WRAP = 2**64
"""-1, no limit, is written as the largest unsigned number."""
ULIMIT_NAMES = frozenset(
    {
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    }
)


def container_resources(host: HostConfig, devices: tuple[DeviceRule, ...]) -> Resources:
    """The cgroup section of a container.

    Raises:
        InvalidArgument: a block device that is not there.
    """
    pids = Pids(host.pids_limit) if host.pids_limit is not None and host.pids_limit > 0 else None
    return Resources(
        devices=devices,
        memory=_memory(host),
        cpu=_cpu(host),
        pids=pids,
        block_io=_block_io(host),
    )


def container_rlimits(host: HostConfig, defaults: Sequence[Ulimit] = ()) -> tuple[Rlimit, ...]:
    """The rlimits of a container's processes; its own win over the daemon's defaults.

    Raises:
        InvalidArgument: an unknown name, or a soft limit above the hard one.
    """
    chosen = {limit.name.lower(): limit for limit in defaults}
    chosen.update({limit.name.lower(): limit for limit in host.ulimits or ()})
    return tuple(_rlimit(name, limit) for name, limit in chosen.items())


def _rlimit(name: str, limit: Ulimit) -> Rlimit:
    if name not in ULIMIT_NAMES:
        raise InvalidArgument(f"invalid ulimit type: {limit.name}")
    if limit.soft < -1 or limit.hard < -1:
        raise InvalidArgument(f"invalid ulimit value for {name}: {limit.soft}:{limit.hard}")
    if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
        raise InvalidArgument(
            f"ulimit soft limit must be less than or equal to hard limit: "
            f"{limit.soft} > {limit.hard}"
        )
    return Rlimit(f"RLIMIT_{name.upper()}", limit.soft % WRAP, limit.hard % WRAP)


def _memory(host: HostConfig) -> Memory | None:
    memory = Memory(
        limit=host.memory or None,
        reservation=host.memory_reservation or None,
        swap=host.memory_swap or None,
        swappiness=None if host.memory_swappiness in (None, -1) else host.memory_swappiness,
        disable_oom_killer=host.oom_kill_disable or None,
    )
    return None if memory == Memory() else memory


def _cpu(host: HostConfig) -> Cpu | None:
    quota, period = host.cpu_quota or None, host.cpu_period or None
    if host.nano_cpus > 0:
        period = DEFAULT_CPU_PERIOD
        quota = host.nano_cpus * period // 1_000_000_000
    cpu = Cpu(
        shares=host.cpu_shares or None,
        quota=quota,
        period=period,
        realtime_runtime=host.cpu_realtime_runtime or None,
        realtime_period=host.cpu_realtime_period or None,
        cpus=host.cpuset_cpus,
        mems=host.cpuset_mems,
    )
    return None if cpu == Cpu() else cpu


def _block_io(host: HostConfig) -> BlockIO | None:
    block_io = BlockIO(
        weight=host.blkio_weight or None,
        weight_device=tuple(
            BlockWeightDevice(*_numbers(d), d.weight) for d in host.blkio_weight_device or ()
        ),
        throttle_read_bps_device=_throttles(host.blkio_device_read_bps),
        throttle_write_bps_device=_throttles(host.blkio_device_write_bps),
        throttle_read_iops_device=_throttles(host.blkio_device_read_iops),
        throttle_write_iops_device=_throttles(host.blkio_device_write_iops),
    )
    return None if block_io == BlockIO() else block_io


def _throttles(devices: Sequence[ThrottleDevice] | None) -> tuple[BlockThrottleDevice, ...]:
    return tuple(BlockThrottleDevice(*_numbers(d), d.rate) for d in devices or ())


def _numbers(device: WeightDevice | ThrottleDevice) -> tuple[int, int]:
    try:
        return device_number(device.path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"{device.path}: {reason}") from None
