"""The verbs of a container's life.

One lock per container, taken by verbs that change it, never by reads: `get`, `select` and
inspect see the immutable record that each commit replaces. No lock is held while waiting for a
container's process to end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator, Sequence

from msgspec import UNSET, Struct, field, structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.create.creation import Creator
from wharfie.engine.containers.create.defaults import DefaultsHandle
from wharfie.engine.containers.create.names import check_name
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle.ending import Endings
from wharfie.engine.containers.lifecycle.health import stopped
from wharfie.engine.containers.lifecycle.processes import Processes, check_arguments, list_processes
from wharfie.engine.containers.lifecycle.removal import Remover
from wharfie.engine.containers.lifecycle.starting import Starter
from wharfie.engine.containers.links import Links, parse_link
from wharfie.engine.containers.networking import renamed, renamed_connection
from wharfie.engine.containers.selection import select
from wharfie.engine.images import Images
from wharfie.engine.networks import Networks
from wharfie.model.container import (
    Container,
    Created,
    CreateSpec,
    ExitStatus,
    Status,
    WaitCondition,
)
from wharfie.model.errors import (
    Conflict,
    EngineError,
    Internal,
    InvalidArgument,
    NoSuchContainer,
    NotFound,
    NotRunning,
)
from wharfie.model.filters import ContainerFilters, PruneFilters, has_labels
from wharfie.model.ids import SnapshotKey
from wharfie.model.lifecycle import Verb, check, has_process, is_running
from wharfie.model.runtime import Runtime
from wharfie.model.signals import parse_signal
from wharfie.model.snapshot import Snapshotter
from wharfie.model.task import TaskSupervisor

_SIGKILL = 9
_KILL_BOUND = 10.0
_STUCK_BOUND = 30.0
_FROZEN_BOUND = 0.5


class Pruned(Struct, frozen=True):
    """What a prune removed; bytes reclaimed."""

    deleted: list[str] = field(default_factory=list)
    reclaimed: int = 0


class ContainersPorts(Struct, frozen=True, kw_only=True):
    """What the verbs stand on."""

    catalogue: Catalogue
    ledger: Ledger
    creator: Creator
    starter: Starter
    endings: Endings
    remover: Remover
    images: Images
    networks: Networks
    runtime: Runtime
    snapshotter: Snapshotter
    supervisor: TaskSupervisor
    defaults: DefaultsHandle


class Containers:
    """Verbs on containers. `ref` is a full ID, an unambiguous ID prefix, or a name."""

    def __init__(self, ports: ContainersPorts) -> None:
        self._ports = ports
        self._pruning = False

    def get(self, ref: str) -> Container:
        """The present record.

        Raises:
            NoSuchContainer: nothing matches.
            AmbiguousReference: a prefix matches several.
        """
        return self._find(ref).record

    def select(
        self, *, filters: ContainerFilters, all_: bool = False, limit: int = 0
    ) -> Sequence[Container]:
        """Containers newest first; running ones only unless `all_`, `limit` or a state filter."""
        return select(
            [handle.record for handle in self._ports.catalogue],
            filters,
            all_=all_,
            limit=limit,
            find=self.get,
            descends=self._descends,
        )

    async def create(self, spec: CreateSpec) -> Created:
        """Record a new container with its writable layer; see Engine API ContainerCreate."""
        return await self._ports.creator.create(spec)

    async def start(self, ref: str) -> None:
        """Start a created or exited container.

        Raises:
            NotModified: it runs already.
            StartFailed: its process cannot run.
        """
        await self._start(self._find(ref))

    async def stop(
        self, ref: str, *, grace: float | None = None, signal: str | None = None
    ) -> None:
        """Stop a running container; NotModified for a stopped one.

        Args:
            ref: which container.
            grace: seconds before SIGKILL; -1 waits for ever; None takes the container's.
            signal: first signal; None takes the container's StopSignal.
        """
        handle = self._find(ref)
        check(Verb.STOP, handle.record)
        await self._stop(handle, grace=grace, signal=signal)
        self._ports.ledger.publish(handle.record, "stop")

    async def restart(
        self, ref: str, *, grace: float | None = None, signal: str | None = None
    ) -> None:
        """Stop if running, then start; auto-removal does not strike in between."""
        handle = self._find(ref)
        if is_running(handle.record.state.status):
            handle.keep = True
            try:
                await self._stop(handle, grace=grace, signal=signal)
                self._ports.ledger.publish(handle.record, "stop")
                await self._start(handle)
            finally:
                handle.keep = False
        else:
            await self._start(handle)
        self._ports.ledger.publish(handle.record, "restart")

    async def kill(self, ref: str, *, signal: str = "") -> None:
        """Send a signal (default SIGKILL, which also waits for the end up to 10 s)."""
        with _named(f"cannot kill container: {ref}"):
            await self._kill(ref, signal)

    async def _kill(self, ref: str, signal: str) -> None:
        number = parse_signal(signal or "KILL")
        handle = self._find(ref)
        async with handle.lock:
            check(Verb.KILL, handle.record)
            if handle.record.state.status is Status.RESTARTING:
                await self._ports.endings.cancel_restart(handle)
                return
            await self._ports.ledger.save_state(handle, manually_stopped=True)
        end = handle.waiters.add(WaitCondition.NEXT_EXIT)
        await self._signal(handle, number)
        if number == _SIGKILL:
            await self._ends_within(handle, end, _KILL_BOUND)
        else:
            end.cancel()

    async def pause(self, ref: str) -> None:
        """Freeze a running container."""
        handle = self._find(ref)
        async with handle.lock:
            check(Verb.PAUSE, handle.record)
            await self._ports.runtime.pause(handle.record)
            health = stopped(handle.record.state.health)
            await self._ports.ledger.save_state(
                handle, status=Status.PAUSED, health=health, is_held=False
            )
        self._ports.ledger.publish(handle.record, "pause")

    async def unpause(self, ref: str) -> None:
        """Thaw a paused container."""
        handle = self._find(ref)
        async with handle.lock:
            check(Verb.UNPAUSE, handle.record)
            await self._thaw(handle)

    async def rename(self, ref: str, name: str) -> None:
        """Give another name (a leading slash is dropped)."""
        handle = self._find(ref)
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        wanted, catalogue = check_name(name), self._ports.catalogue
        async with handle.lock:
            before = handle.record
            if before.name == wanted:
                raise InvalidArgument("Renaming a container with the same name as its current name")
            catalogue.reserve(wanted, handle.id)
            try:
                record = renamed(before, wanted)
                connection = handle.connection if has_process(before.state.status) else None
                if connection is None:
                    await self._ports.ledger.save(handle, record, durable=True)
                else:
                    connection = renamed_connection(connection, record)
                    await self._ports.ledger.save_connected(
                        handle, record, connection, durable=True
                    )
            except BaseException:
                catalogue.release(wanted, handle.id)
                raise
            catalogue.release(before.name, handle.id)
            if connection is not None:
                await self._ports.networks.renamed(handle.id, wanted, connection)
        self._ports.ledger.publish(handle.record, "rename", oldName=f"/{before.name}")

    async def remove(
        self, ref: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Remove a container; a running one only by force. `volumes`: anonymous ones too."""
        if link:
            await self._remove_link(ref)
            return
        handle = self._find(ref)
        with _named(f'cannot remove container "{ref}"'):
            check(Verb.REMOVE, handle.record, force=force)
        handle.keep = force
        try:
            if force:
                await self._kill_for_removal(handle)
            await self._ports.remover.remove(handle, volumes=volumes, force=force)
        finally:
            handle.keep = False

    async def _remove_link(self, path: str) -> None:
        """Forget the link "parent/alias"; both containers stay."""
        name, _, alias = path.strip("/").rpartition("/")
        if not name:
            raise Conflict("Conflict, cannot remove the default link name of the container")
        handle = self._find(name)
        async with handle.lock:
            links = dict(handle.record.links)
            if links.pop(alias, None) is None:
                raise NotFound(f"Cannot get parent {name} for link name {path}")
            texts = [
                text
                for text in handle.record.host_config.links or []
                if parse_link(text)[1] != alias
            ]
            host = structs.replace(handle.record.host_config, links=texts or None)
            record = structs.replace(handle.record, links=links, host_config=host)
            await self._ports.ledger.save(handle, record, durable=True)

    def link_environment(self, record: Container) -> list[str]:
        """Variables of a container's legacy links."""
        return Links(self._ports.catalogue).environment(record) if record.links else []

    async def prune(self, filters: PruneFilters) -> Pruned:
        """Remove all stopped containers."""
        if self._pruning:
            raise Conflict("a prune operation is already running")
        self._pruning = True
        deleted, reclaimed = [], 0
        try:
            for handle in self._ports.catalogue:
                if not _is_prunable(handle.record, filters):
                    continue
                size = await self._ports.snapshotter.usage(SnapshotKey(handle.id))
                try:
                    await self._ports.remover.remove(handle, volumes=False, force=False)
                except (Conflict, NotFound):
                    continue  # started or removed meanwhile
                deleted.append(handle.id)
                reclaimed += size
        finally:
            self._pruning = False
        self._ports.ledger.publish_prune(reclaimed)
        return Pruned(list(deleted), reclaimed)

    def wait(self, ref: str, condition: WaitCondition) -> Awaitable[ExitStatus]:
        """Register a waiter, at once; the returned awaitable ends when the condition holds."""
        handle = self._find(ref)
        state = handle.record.state
        if condition is WaitCondition.NOT_RUNNING and not is_running(state.status):
            done: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
            done.set_result(ExitStatus(state.exit_code, state.error))
            return done
        return handle.waiters.add(condition)

    async def top(self, ref: str, ps_args: str) -> Processes:
        """Processes of a running container, by the host's `ps`."""
        record = self.get(ref)
        check(Verb.TOP, record)
        arguments = check_arguments(ps_args)
        pids = await self._ports.runtime.pids(record)
        listed = await list_processes(frozenset(pids), arguments)
        self._ports.ledger.publish(record, "top")
        return listed

    async def resize(self, ref: str, *, rows: int, columns: int) -> None:
        """Set the size of a running container's terminal."""
        record = self.get(ref)
        check(Verb.RESIZE, record)
        await self._ports.supervisor.resize(record.id, rows=rows, columns=columns)
        self._ports.ledger.publish(record, "resize", height=str(rows), width=str(columns))

    async def size(self, ref: str) -> tuple[int, int]:
        """Bytes of the writable layer, and of the whole root file system."""
        record = self.get(ref)
        own = await self._ports.snapshotter.usage(SnapshotKey(record.id))
        try:
            return own, own + self._ports.images.get(record.image).size
        except NotFound:
            return own, own

    def _find(self, ref: str) -> ContainerHandle:
        return self._ports.catalogue.find(ref)

    async def _start(self, handle: ContainerHandle) -> None:
        failure: EngineError | None = None
        async with handle.lock:
            _check_there(handle)
            check(Verb.START, handle.record)
            handle.failures = 0
            try:
                await self._ports.starter.start(handle)
            except EngineError as error:
                failure = error
        if failure is not None:
            await self._after_failed_start(handle)
            raise failure

    async def _after_failed_start(self, handle: ContainerHandle) -> None:
        """Tell waiters; a container meant to be auto-removed goes, as if it had run."""
        state = handle.record.state
        handle.waiters.ended(ExitStatus(state.exit_code, state.error))
        if handle.record.host_config.auto_remove and not handle.keep:
            await self._ports.remover.remove(handle, volumes=True, force=False)

    async def _stop(
        self, handle: ContainerHandle, *, grace: float | None, signal: str | None
    ) -> None:
        record = handle.record
        number = parse_signal(signal or _stop_signal(record))
        seconds = _grace(record, self._ports.defaults.now.stop_timeout) if grace is None else grace
        async with handle.lock:
            check(Verb.STOP, handle.record)
            if handle.record.state.status is Status.RESTARTING:
                await self._ports.endings.cancel_restart(handle)
                return
            await self._ports.ledger.save_state(handle, manually_stopped=True)
        end = handle.waiters.add(WaitCondition.NEXT_EXIT)
        await self._signal(handle, number)
        if seconds < 0:
            await end
            return
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(end)
        except TimeoutError:
            await self._signal(handle, _SIGKILL)
            await self._ends_within(handle, end, _STUCK_BOUND)

    async def _signal(self, handle: ContainerHandle, number: int) -> None:
        """Signal the first process; a frozen one is thawed by what is meant to end it."""
        self._ports.ledger.publish(handle.record, "kill", signal=str(number))
        await self._ports.supervisor.signal(handle.id, number)
        if handle.record.state.status is not Status.PAUSED:
            return
        if number in (_SIGKILL, parse_signal(_stop_signal(handle.record))):
            async with handle.lock:
                if handle.record.state.status is Status.PAUSED:
                    await self._thaw(handle)

    async def _thaw(self, handle: ContainerHandle) -> None:
        await self._ports.runtime.unpause(handle.record)
        await self._ports.ledger.save_state(handle, status=Status.RUNNING, is_held=False)
        self._ports.ledger.publish(handle.record, "unpause")

    async def _ends_within(
        self, handle: ContainerHandle, end: Awaitable[ExitStatus], seconds: float
    ) -> None:
        try:
            async with asyncio.timeout(_FROZEN_BOUND):
                await asyncio.shield(end)
                return
        except TimeoutError:
            # Frozen behind our back, it dies only once it is thawed (cgroup v1).
            with contextlib.suppress(Internal, NotRunning):
                await self._ports.runtime.unpause(handle.record)
        try:
            async with asyncio.timeout(seconds):
                await end
        except TimeoutError:
            raise Internal(
                f"container {handle.record.name} did not end within {seconds:.0f} s of SIGKILL: "
                f"process {handle.record.state.pid} is stuck in the kernel (a dead mount or "
                "device?); it is given up when it ends"
            ) from None

    async def _kill_for_removal(self, handle: ContainerHandle) -> None:
        async with handle.lock:
            if handle.record.state.status is Status.RESTARTING:
                await self._ports.endings.cancel_restart(handle)
            if not has_process(handle.record.state.status):
                return
            await self._ports.ledger.save_state(handle, manually_stopped=True)
        end = handle.waiters.add(WaitCondition.NEXT_EXIT)
        await self._signal(handle, _SIGKILL)
        await self._ends_within(handle, end, _KILL_BOUND)

    def _descends(self, container: Container, ref: str) -> bool:
        images = self._ports.images
        try:
            ancestor = images.get(ref)
        except (NotFound, InvalidArgument):
            return False
        if container.image == ancestor.id:
            return True
        try:
            chain = images.get(container.image).chain_ids
        except NotFound:
            return False
        own = ancestor.chain_ids
        return len(own) < len(chain) and chain[: len(own)] == own


@contextlib.contextmanager
def _named(prefix: str) -> Iterator[None]:
    """Put in front of an error what could not be done."""
    try:
        yield
    except EngineError as error:
        for kind in (NotFound, Conflict, InvalidArgument):
            if isinstance(error, kind):
                raise kind(f"{prefix}: {error.message}") from None
        raise


def _check_there(handle: ContainerHandle) -> None:
    if handle.gone:
        raise NoSuchContainer(handle.id)


def _stop_signal(record: Container) -> str:
    signal = record.config.stop_signal
    return "TERM" if signal is UNSET or not signal else signal


def _grace(record: Container, default: int) -> float:
    timeout = record.config.stop_timeout
    return float(default if timeout is UNSET else timeout)


def _is_prunable(record: Container, filters: PruneFilters) -> bool:
    stopped = record.state.status in (Status.CREATED, Status.EXITED, Status.DEAD)
    in_time = filters.until is None or record.created_at < filters.until
    labels = record.config.labels
    excluded = any(has_labels([match], labels) for match in filters.not_labels)
    return stopped and in_time and has_labels(filters.labels, labels) and not excluded
