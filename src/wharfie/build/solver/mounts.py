"""Mounts of an executed step: files of other inputs, caches, secrets, sockets.

All are trees by descriptor: what a step has mounted is on no path of the host, and gone with the
step. Source: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct, field

from wharfie.build.solver.lending import Lending
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.refusals import missing_file
from wharfie.build.solver.results import DirectoryResult, LayeredResult, Result
from wharfie.build.solver.trees import Trees
from wharfie.model.build.files import CopyPlan, Selection
from wharfie.model.build.graph import ExecOp, MountKind, StepMount
from wharfie.model.build.session import BuildSession
from wharfie.model.container import HostConfig
from wharfie.model.errors import NotFound
from wharfie.model.runtime import BundleMount

_CACHE_MODE = 0o755


class MountSet(Struct, frozen=True):
    """Mounts ready for the runtime, and variables that come with them."""

    mounts: list[BundleMount] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)


class _Opening(Struct, frozen=True):
    """The mounts of one step while they are opened; `stack` closes them."""

    inputs: Sequence[Result]
    host: HostConfig
    remapped: bool
    stack: AsyncExitStack
    environment: list[str] = field(default_factory=list)


class StepMounts:
    """Opens mounts for the time of a step.

    Args:
        ports: of the solver.
        session: lends secrets and agents.
        trees: opens results.
        layered: makes layers of a directory.
    """

    def __init__(
        self,
        ports: SolverPorts,
        session: BuildSession,
        trees: Trees,
        layered: Callable[[DirectoryResult], Awaitable[LayeredResult]],
    ) -> None:
        self._ports = ports
        self._lending = Lending(session, ports.trees)
        self._trees = trees
        self._layered = layered

    @asynccontextmanager
    async def opened(
        self, operation: ExecOp, inputs: Sequence[Result], host: HostConfig
    ) -> AsyncIterator[MountSet]:
        """All mounts of a step, closed when the block is left.

        Raises:
            EngineError: one cannot be made.
        """
        remapped = self._ports.steps.is_remapped(host)
        async with AsyncExitStack() as stack:
            opening = _Opening(inputs, host, remapped, stack)
            mounts: list[BundleMount] = []
            # By name, so that no two steps wait for each other's caches.
            for mount in sorted(operation.mounts, key=lambda one: one.id):
                made = await self._open(mount, opening)
                if made is not None:
                    mounts.append(made)
            mounts.sort(key=lambda one: one.destination.count("/"))
            yield MountSet(mounts, opening.environment)

    async def _open(self, mount: StepMount, opening: _Opening) -> BundleMount | None:
        if mount.kind is MountKind.TMPFS:
            return _tmpfs(mount)
        tree = await self._tree(mount, opening)
        if tree is None:
            return None
        opening.stack.callback(os.close, tree)
        access = "ro" if mount.read_only or mount.kind is MountKind.SECRET else "rw"
        return BundleMount(
            type="bind",
            source="",
            destination=mount.target,
            options=["rbind", access, "rprivate"],
            tree=tree,
        )

    async def _tree(self, mount: StepMount, opening: _Opening) -> int | None:
        """What is mounted; None where a secret or agent is missing that may be."""
        if mount.kind is MountKind.BIND:
            return await self._bind(mount, opening)
        if mount.kind is MountKind.CACHE:
            return await self._cache(mount, opening)
        if mount.kind is MountKind.SECRET:
            return await self._secret(mount, opening)
        owner = self._owner(mount, opening)
        return await self._lending.agent_socket(mount, owner, opening.stack)

    async def _bind(self, mount: StepMount, opening: _Opening) -> int:
        root = await self._bind_root(mount, opening)
        try:
            return await self._ports.trees.below(root, mount.selector.strip("/"))
        except NotFound:
            raise missing_file(mount.selector) from None
        finally:
            os.close(root)

    async def _bind_root(self, mount: StepMount, opening: _Opening) -> int:
        result = opening.inputs[mount.source]
        remapped = opening.remapped
        if isinstance(result, DirectoryResult):
            # What is ignored must not be seen, what is written is thrown away, and who may mount
            # things could make it writable.
            is_plain = mount.read_only and not (result.exclude or opening.host.privileged)
            if is_plain and not remapped:
                return await self._ports.trees.below(result.directory)
            result = await self._layered(result)
        await result.layers()
        if mount.read_only:
            return await self._trees.open(result, remapped=remapped)
        writer = await self._ports.snapshots.begin_step(result.top)
        opening.stack.push_async_callback(writer.abort)
        return await writer.mount(remapped=remapped)

    async def _cache(self, mount: StepMount, opening: _Opening) -> int:
        caches = self._ports.cache_mounts
        held = await opening.stack.enter_async_context(caches.hold(mount.id, mount.sharing))
        if held.is_new:
            if mount.source >= 0:
                await self._fill(held.directory, mount, opening.inputs[mount.source])
            mode = _CACHE_MODE if mount.mode is None else mount.mode
            await asyncio.to_thread(_give, held.directory, mode, (mount.uid, mount.gid))
        return await self._ports.trees.below(held.directory, remapped=opening.remapped)

    async def _fill(self, directory: str, mount: StepMount, source: Result) -> None:
        target = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            async with self._trees.opened(source) as root:
                selection = Selection(sources=[mount.selector or "."])
                plan = CopyPlan(selection=selection, destination="/")
                await self._ports.files.copy(root, target, plan)
        except NotFound as error:
            raise missing_file(error.message) from None
        finally:
            os.close(target)

    async def _secret(self, mount: StepMount, opening: _Opening) -> int | None:
        data = await self._lending.secret(mount)
        if data is None:
            return None
        if mount.environment:
            opening.environment.append(f"{mount.environment}={data.decode(errors='replace')}")
        if not mount.target:
            return None
        return await self._lending.secret_file(mount, data, self._owner(mount, opening))

    def _owner(self, mount: StepMount, opening: _Opening) -> tuple[int, int]:
        return self._ports.steps.owner_on_host(opening.host, mount.uid, mount.gid)


def _give(directory: str, mode: int, owner: tuple[int, int]) -> None:
    os.chown(directory, *owner)
    os.chmod(directory, mode)


def _tmpfs(mount: StepMount) -> BundleMount:
    options = ["nosuid", "nodev"]
    if mount.size:
        options.append(f"size={mount.size}")
    return BundleMount(type="tmpfs", source="tmpfs", destination=mount.target, options=options)
