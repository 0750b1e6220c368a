"""Taking a container's remains away: cgroups, the runtime's state, the bundle.

Done here instead of by `<runtime> delete`, which costs 5 ms of starting a program to remove a
dozen directories. Where that does not suffice, the runtime is asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from wharfie.drivers.runtime.commands import RuntimeCommands
from wharfie.drivers.runtime.layout import Layout
from wharfie.kernel.cgroups import CgroupHost
from wharfie.model.errors import Internal
from wharfie.model.runtime import RuntimeInfo

QUICK_TIMEOUT = 0.05
"""Seconds; a process that ended holds its groups a few milliseconds."""
PATIENT_TIMEOUT = 5.0
_DELETE_TIMEOUT = 30.0
_USUAL_KINDS = ("crun", "runc")
"""Looked for at a sweep even when they are configured no longer."""


class Remover:
    """Removes what containers leave; every method may be repeated."""

    def __init__(
        self,
        layout: Layout,
        cgroups: CgroupHost,
        runtimes: Mapping[str, RuntimeInfo],
        default_runtime: str,
    ) -> None:
        self._layout = layout
        self._cgroups = cgroups
        self._commands = RuntimeCommands(layout, cgroups)
        self.adopt(runtimes, default_runtime)

    def adopt(self, runtimes: Mapping[str, RuntimeInfo], default_runtime: str) -> None:
        """Know these runtimes from here on."""
        self._by_kind = {os.path.basename(info.path): info for info in runtimes.values()}
        self._default_kind = os.path.basename(runtimes[default_runtime].path)

    async def remove(self, container_id: str, cgroup_path: str, kind: str) -> None:
        """Remove everything of a container, killing what still runs in it.

        Args:
            container_id: whose.
            cgroup_path: where its groups are, "" when nobody knows.
            kind: program name of its runtime, "" when nobody knows.

        Raises:
            Internal: a group cannot be removed, not by the runtime either.
        """
        kind = kind or self._default_kind
        if await asyncio.to_thread(self._remove_groups, cgroup_path, QUICK_TIMEOUT):
            await asyncio.to_thread(self._forget, container_id, kind)
            return
        if not await asyncio.to_thread(self._remove_groups, cgroup_path, PATIENT_TIMEOUT):
            reason = await self._ask_runtime(container_id, kind)
            if not await asyncio.to_thread(self._remove_groups, cgroup_path, QUICK_TIMEOUT):
                raise Internal(f"cannot remove the cgroups of {container_id}: {reason}")
        await asyncio.to_thread(self._forget, container_id, kind)

    def remove_now(self, container_id: str, cgroup_path: str, kind: str) -> None:
        """The same for a thread, without the runtime's help.

        Raises:
            Internal: a group cannot be removed.
        """
        if not self._remove_groups(cgroup_path, PATIENT_TIMEOUT):
            raise Internal(f"cannot remove the cgroups of {container_id}")
        self._forget(container_id, kind or self._default_kind)

    async def sweep(self, keep: Sequence[str]) -> None:
        """Remove containers that left something here and are not in `keep`."""
        kept = frozenset(keep)
        kinds = {*_USUAL_KINDS, *self._by_kind}
        await asyncio.to_thread(self._layout.remove_execs)
        for container_id, kind in await asyncio.to_thread(lambda: list(self._layout.known(kinds))):
            if container_id not in kept:
                path = self._layout.cgroup_path(container_id)
                await self.remove(container_id, path, kind)

    def _remove_groups(self, path: str, timeout: float) -> bool:
        try:
            group = self._cgroups.group(path)
        except ValueError:
            return True
        if group.remove(timeout=0):
            return True
        group.kill()
        return group.remove(timeout=timeout)

    def _forget(self, container_id: str, kind: str) -> None:
        self._layout.remove_state(kind, container_id)
        self._layout.remove_bundle(container_id)

    async def _ask_runtime(self, container_id: str, kind: str) -> str:
        """Let the runtime delete a container; returns what it complained of."""
        info = self._by_kind.get(kind)
        if info is None:
            return f"no runtime {kind} is configured"
        complaint = await self._commands.run(
            info, kind, "delete", "--force", container_id, timeout=_DELETE_TIMEOUT
        )
        return complaint or "processes do not die"
