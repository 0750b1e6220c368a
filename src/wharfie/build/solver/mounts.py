"""Mounts of an executed step: files of other inputs, caches, secrets, sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct, field

from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.refusals import missing_file
from wharfie.build.solver.results import Result
from wharfie.build.solver.trees import Trees
from wharfie.model.build.graph import ExecOp, MountKind, StepMount
from wharfie.model.build.session import BuildSession
from wharfie.model.errors import NotFound, NotSupported
from wharfie.model.runtime import BundleMount


class MountSet(Struct, frozen=True):
    """Mounts ready for the runtime, and variables that come with them."""

    mounts: list[BundleMount] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)


class StepMounts:
    """Opens mounts for the time of a step."""

    def __init__(self, ports: SolverPorts, session: BuildSession, trees: Trees) -> None:
        self._ports = ports
        self._session = session
        self._trees = trees

    @asynccontextmanager
    async def opened(
        self, operation: ExecOp, inputs: Sequence[Result], *, remapped: bool
    ) -> AsyncIterator[MountSet]:
        """All mounts of a step, closed when the block is left.

        Raises:
            EngineError: one cannot be made.
        """
        made = MountSet()
        async with AsyncExitStack() as stack:
            for mount in sorted(operation.mounts, key=lambda one: one.target.count("/")):
                await self._add(mount, inputs, made, stack, remapped=remapped)
            yield made

    async def _add(
        self,
        mount: StepMount,
        inputs: Sequence[Result],
        made: MountSet,
        stack: AsyncExitStack,
        *,
        remapped: bool,
    ) -> None:
        match mount.kind:
            case MountKind.BIND:
                made.mounts.append(await self._bind(mount, inputs, stack, remapped=remapped))
            case MountKind.TMPFS:
                made.mounts.append(_tmpfs(mount))
            case MountKind.CACHE | MountKind.SECRET | MountKind.SSH:
                raise NotSupported(f"mounts of type {mount.kind.value} are not supported yet")

    async def _bind(
        self,
        mount: StepMount,
        inputs: Sequence[Result],
        stack: AsyncExitStack,
        *,
        remapped: bool,
    ) -> BundleMount:
        root = await self._trees.open(inputs[mount.source], remapped=remapped)
        try:
            tree = await self._ports.trees.below(root, mount.selector.strip("/"))
        except NotFound:
            raise missing_file(mount.selector) from None
        finally:
            os.close(root)
        stack.callback(os.close, tree)
        return BundleMount(
            type="bind",
            source="",
            destination=mount.target,
            options=["rbind", "ro", "rprivate"],
            tree=tree,
        )


def _tmpfs(mount: StepMount) -> BundleMount:
    options = ["nosuid", "nodev"]
    if mount.size:
        options.append(f"size={mount.size}")
    return BundleMount(type="tmpfs", source="tmpfs", destination=mount.target, options=options)
