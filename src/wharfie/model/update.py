"""Changing a container that exists: its limits and its restart policy.

Source: Engine API 1.51, ContainerUpdate.
"""

from __future__ import annotations

from msgspec import Struct, structs

from wharfie.model.container import HostConfig, RestartPolicy


class UpdateSpec(Struct, rename="pascal", frozen=True, kw_only=True):
    """What is to change; zero, "" and None leave a limit as it is.

    Attributes:
        pids_limit: zero and below take the limit away.
        restart_policy: no name leaves it as it is.
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

    @property
    def limits(self) -> HostConfig:
        """The limits to change, all others absent."""
        limits: HostConfig = structs.replace(HostConfig(), **self._changes())
        return limits

    @property
    def changes_limits(self) -> bool:
        """Whether any limit is to change."""
        return bool(self._changes())

    def fitted(self, limits: HostConfig) -> UpdateSpec:
        """With these limits instead: what this host cannot set is dropped."""
        names = [name for name in self.__struct_fields__ if name != "restart_policy"]
        values = {name: getattr(limits, name) for name in names}
        fitted: UpdateSpec = structs.replace(self, **values)
        return fitted

    def applied_to(self, host: HostConfig) -> HostConfig:
        """A container's host config after the update."""
        changed: HostConfig = structs.replace(host, **self._changes())
        if self.restart_policy.name:
            changed = structs.replace(changed, restart_policy=self.restart_policy)
        return changed

    def _changes(self) -> dict[str, int | str]:
        values = structs.asdict(self)
        del values["restart_policy"]
        pids_limit = values.pop("pids_limit")
        changes = {name: value for name, value in values.items() if value}
        if pids_limit is not None:
            changes["pids_limit"] = max(0, pids_limit)
        return changes
