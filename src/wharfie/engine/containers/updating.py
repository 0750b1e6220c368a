"""Update: change the limits of a container, live, and its restart policy.

Source: Engine API, ContainerUpdate; behaviours 80; moby daemon/update.go.
"""

from __future__ import annotations

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.create.abilities import HostAbilities, fit_limits
from wharfie.engine.containers.create.validation import check_limits, check_restart_policy
from wharfie.engine.containers.ledger import Ledger
from wharfie.model.container import Container, HostConfig, Status
from wharfie.model.errors import Conflict, EngineError
from wharfie.model.lifecycle import has_process
from wharfie.model.runtime import Runtime
from wharfie.model.update import UpdateSpec


class ContainerUpdates:
    """The update verb on containers."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        runtime: Runtime,
        cpus: int,
        abilities: HostAbilities | None = None,
    ) -> None:
        """Take what it stands on.

        Args:
            catalogue: all containers.
            ledger: commits changes.
            runtime: changes limits of what runs.
            cpus: processors of this host.
            abilities: what this host can limit, None for everything.
        """
        self._catalogue = catalogue
        self._ledger = ledger
        self._runtime = runtime
        self._cpus = cpus
        self._abilities = abilities or HostAbilities()

    async def update(self, ref: str, spec: UpdateSpec) -> list[str]:
        """Change limits (those of running processes at once) and restart policy.

        Returns:
            Warnings.

        Raises:
            NoSuchContainer: nothing matches.
            InvalidArgument: limits that no container could have.
            Conflict: the container's present state or its other limits forbid it.
        """
        check_restart_policy(spec.restart_policy)
        limits, warnings = fit_limits(spec.asked, self._abilities)
        check_limits(limits, cpus=self._cpus, is_update=True)
        spec = spec.fitted(limits)
        handle = self._catalogue.find(ref)
        async with handle.lock:
            record = handle.record
            _check_allowed(record, spec)
            if has_process(record.state.status) and spec.changes_limits:
                try:
                    await self._runtime.update(record, spec.limits)
                except EngineError as error:
                    raise type(error)(_cannot(record, error.message)) from None
            changed = structs.replace(record, host_config=spec.applied_to(record.host_config))
            await self._ledger.save(handle, changed, durable=True)
        self._ledger.publish(changed, "update")
        return warnings


def _check_allowed(record: Container, spec: UpdateSpec) -> None:
    host = record.host_config
    if record.state.status in (Status.REMOVING, Status.DEAD):
        raise Conflict(_cannot(record, 'container is marked for removal and cannot be "update"'))
    policy = spec.restart_policy.name
    if host.auto_remove and policy not in ("", "no"):
        raise Conflict(
            _cannot(
                record,
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            )
        )
    conflict = _conflict(host, spec)
    if conflict:
        raise Conflict(_cannot(record, conflict))


def _conflict(host: HostConfig, spec: UpdateSpec) -> str:
    """Why these limits do not go with those the container has; "" when they do."""
    if spec.nano_cpus > 0 and (host.cpu_period > 0 or host.cpu_quota > 0):
        what = "CPU Period" if host.cpu_period > 0 else "CPU Quota"
        return f"Conflicting options: Nano CPUs cannot be updated as {what} has already been set"
    if host.nano_cpus > 0 and (spec.cpu_period > 0 or spec.cpu_quota > 0):
        what = "CPU Period" if spec.cpu_period > 0 else "CPU Quota"
        return f"Conflicting options: {what} cannot be updated as NanoCPUs has already been set"
    if spec.memory and spec.memory > host.memory_swap and not spec.memory_swap:
        return (
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    return ""


def _cannot(record: Container, reason: str) -> str:
    return f"Cannot update container {record.id}: {reason}"
