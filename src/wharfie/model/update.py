"""Changing a container that exists: its limits and its restart policy.

Source: Engine API 1.51, ContainerUpdate.
"""

from __future__ import annotations

from msgspec import Struct, field, structs

from wharfie.model.container import HostConfig, RestartPolicy, ThrottleDevice, WeightDevice

_UNCHANGED = (
    "memory_swappiness",
    "oom_kill_disable",
    "cpu_percent",
    "blkio_weight_device",
    "blkio_device_read_bps",
    "blkio_device_write_bps",
    "blkio_device_read_iops",
    "blkio_device_write_iops",
    "io_maximum_iops",
    "io_maximum_bandwidth",
)


class UpdateSpec(Struct, rename="pascal", frozen=True, kw_only=True):
    """What is to change; zero, "" and None leave a limit as it is.

    Attributes:
        pids_limit: zero and below take the limit away.
        restart_policy: no name leaves it as it is.

    The limits behind it cannot be changed; Docker looks at them, and warns of them, all the same.
    """

    blkio_weight: int = 0
    cpu_shares: int = 0
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    pids_limit: int | None = None
    restart_policy: RestartPolicy = RestartPolicy(name="")
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    cpu_percent: int = 0
    blkio_weight_device: list[WeightDevice] | None = None
    blkio_device_read_bps: list[ThrottleDevice] | None = None
    blkio_device_write_bps: list[ThrottleDevice] | None = None
    blkio_device_read_iops: list[ThrottleDevice] | None = field(
        default=None, name="BlkioDeviceReadIOps"
    )
    blkio_device_write_iops: list[ThrottleDevice] | None = field(
        default=None, name="BlkioDeviceWriteIOps"
    )
    io_maximum_iops: int = field(default=0, name="IOMaximumIOps")
    io_maximum_bandwidth: int = field(default=0, name="IOMaximumBandwidth")

    @property
    def limits(self) -> HostConfig:
        """The limits to change, all others absent."""
        limits: HostConfig = structs.replace(HostConfig(), **self._changes())
        return limits

    @property
    def asked(self) -> HostConfig:
        """All limits that were sent, also those that will not be changed."""
        asked: HostConfig = structs.replace(
            self.limits, **{name: getattr(self, name) for name in _UNCHANGED}
        )
        return asked

    @property
    def changes_limits(self) -> bool:
        """Whether any limit is to change."""
        return bool(self._changes())

    def fitted(self, limits: HostConfig) -> UpdateSpec:
        """With these limits instead: what this host cannot set is dropped."""
        names = self.__struct_fields__
        values = {name: getattr(limits, name) for name in names if name != "restart_policy"}
        fitted: UpdateSpec = structs.replace(self, **values)
        return fitted

    def applied_to(self, host: HostConfig) -> HostConfig:
        """A container's host config after the update."""
        changed: HostConfig = structs.replace(host, **self._changes())
        if self.restart_policy.name:
            changed = structs.replace(changed, restart_policy=self.restart_policy)
        return changed

    def _changes(self) -> dict[str, int | str]:
        values = {
            name: value
            for name, value in structs.asdict(self).items()
            if name not in _UNCHANGED and name != "restart_policy"
        }
        pids_limit = values.pop("pids_limit")
        changes = {name: value for name, value in values.items() if value}
        if pids_limit is not None:
            changes["pids_limit"] = max(0, pids_limit)
        return changes
