"""Fakes of the ports the engine stands on: processes that end when a test says so."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wharfie.engine.images import LayerCommit
from wharfie.engine.images.records.catalog import parse
from wharfie.formats.reference import Reference
from wharfie.model.container import Container, HostConfig
from wharfie.model.errors import Conflict, NoSuchImage, NotFound, NotRunning, StartFailed
from wharfie.model.exec import Exec
from wharfie.model.ids import ContainerId, ImageId, NetworkId, SnapshotKey
from wharfie.model.image import Image, ImageConfig, ImageDocument
from wharfie.model.network import Connection, Endpoint, JoinRequest, Network
from wharfie.model.runtime import LaunchPlan, RuntimeInfo
from wharfie.model.snapshot import OverlayPaths
from wharfie.model.task import (
    Attachment,
    AttachmentEnd,
    AttachSpec,
    TaskExit,
    TaskStatus,
)
from wharfie.model.usage import Usage


class FakeSupervisor:
    """Holds tasks that exist only by name. See `model.task.TaskSupervisor`."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self._next_pid = 1000
        self.held: dict[str, TaskStatus] = {}
        self.settled: list[str] = []
        self.attached: list[AttachSpec] = []
        self.signals: list[tuple[str, int]] = []
        self.ignored: set[int] = set()
        self.unseen: list[TaskExit] = []
        self.on_exit: Callable[[TaskExit], None] = self.unseen.append

    def subscribe(
        self,
        *,
        on_exit: Callable[[TaskExit], None],
        on_attachment_end: Callable[[AttachmentEnd], None],
    ) -> None:
        while self.unseen:
            on_exit(self.unseen.pop(0))
        self.on_exit = on_exit

    def hang_up(self) -> None:
        """The daemon is gone; exits that are not settled will be told to the next one."""
        self.unseen = [task.exit for task in self.held.values() if task.exit is not None]
        self.on_exit = self.unseen.append

    async def tasks(self) -> Sequence[TaskStatus]:
        return list(self.held.values())

    def begin(self, task_id: str) -> int:
        self._next_pid += 1
        self.held[task_id] = TaskStatus(task_id, self._next_pid)
        return self._next_pid

    def end(self, task_id: str, code: int) -> None:
        """Let a task end, as the kernel would tell it."""
        exit_ = TaskExit(task_id, code, self.clock())
        self.held[task_id] = TaskStatus(task_id, self.held[task_id].pid, exit_)
        self.on_exit(exit_)

    async def attach(self, task_id: str, connection: int, spec: AttachSpec) -> Attachment:
        self.attached.append(spec)
        return Attachment(1)

    async def release(self, attachment: Attachment) -> None:
        return None

    async def resize(self, task_id: str, *, rows: int, columns: int) -> None:
        return None

    async def signal(self, task_id: str, number: int) -> bool:
        self.signals.append((task_id, number))
        task = self.held.get(task_id)
        if task is None or task.exit is not None:
            return False
        if number not in self.ignored:
            self.end(task_id, 128 + number)
        return True

    async def settle(self, task_id: str) -> None:
        task = self.held.get(task_id)
        if task is not None and task.exit is None:
            raise Conflict(f"task {task_id} has not ended")
        self.settled.append(task_id)
        self.held.pop(task_id, None)


class FakeRuntime:
    """Starts tasks of a `FakeSupervisor`. See `model.runtime.Runtime`."""

    runtimes: Mapping[str, RuntimeInfo] = {"crun": RuntimeInfo("crun", "/usr/bin/crun")}
    default_runtime = "crun"

    def __init__(self, supervisor: FakeSupervisor) -> None:
        self._supervisor = supervisor
        self.refusal: StartFailed | None = None
        self.update_refusal: Exception | None = None
        self.delete_refusal: Exception | None = None
        self.updates: list[tuple[str, HostConfig]] = []
        self.plans: list[LaunchPlan] = []
        self.deleted: list[str] = []
        self.paused: set[str] = set()
        self.oom: set[str] = set()
        self.watched: dict[str, Callable[[], None]] = {}

    def labels_of(self, host: object, taken: object) -> tuple[str, str]:
        return "", ""

    def profile_of(self, host: object) -> str:
        return ""

    def check(self, host: object) -> None:
        return None

    async def launch(self, plan: LaunchPlan) -> int:
        os.fstat(plan.rootfs)
        self.plans.append(plan)
        if self.refusal is not None:
            raise self.refusal
        return self._supervisor.begin(plan.container.id)

    async def launch_exec(
        self, exec_: Exec, container: Container, *, environment: Sequence[str]
    ) -> int:
        if self.refusal is not None:
            raise self.refusal
        return self._supervisor.begin(exec_.id)

    async def pause(self, container: Container) -> None:
        self.paused.add(container.id)

    async def unpause(self, container: Container) -> None:
        self.paused.discard(container.id)

    async def pids(self, container: Container) -> Sequence[int]:
        return [container.state.pid]

    async def update(self, container: Container, limits: HostConfig) -> None:
        if self.update_refusal is not None:
            raise self.update_refusal
        self.updates.append((container.id, limits))

    async def usage(self, container: Container) -> Usage:
        if container.state.pid == 0:
            raise NotRunning(container.id)
        return Usage(at=self._supervisor.clock())

    async def kill_all(self, container: Container) -> None:
        return None

    def watch_memory(self, container: Container, on_kill: Callable[[], None]) -> Callable[[], None]:
        self.watched[container.id] = on_kill
        return lambda: self.watched.pop(container.id, None) and None

    async def was_oom_killed(self, container: Container) -> bool:
        return container.id in self.oom

    async def delete(self, container: Container) -> None:
        if self.delete_refusal is not None:
            raise self.delete_refusal
        self.deleted.append(container.id)

    async def sweep(self, keep: Sequence[str]) -> None:
        return None


class FakeTrees:
    """Opens what there is, wherever it is. See `model.runtime.MountTrees`."""

    async def below(
        self,
        root: str | int,
        subpath: str = "",
        *,
        recursive: bool = True,
        remapped: bool = False,
    ) -> int:
        assert isinstance(root, str)
        return os.open(os.path.join(root, subpath), os.O_PATH)

    async def of_process(self, pid: int, path: str) -> int:
        return os.open(path, os.O_PATH)

    async def propagation(self, path: str) -> tuple[str, str]:
        return "/", "shared"


class FakeSnapshotter:
    """Counts open root mounts. The few methods containers use of `model.snapshot.Snapshotter`."""

    def __init__(self) -> None:
        self.keys: set[SnapshotKey] = set()
        self.refusal: Exception | None = None

    async def prepare(self, key: SnapshotKey, parent: object, *, limit: int = 0) -> None:
        self.keys.add(key)

    async def mount(
        self,
        key: SnapshotKey,
        *,
        read_only: bool = False,
        remapped: bool = False,
        label: str = "",
    ) -> int:
        if self.refusal is not None:
            raise self.refusal
        if key not in self.keys:
            raise NotFound(f"no snapshot {key}")
        return os.open("/", os.O_PATH | os.O_CLOEXEC)

    async def usage(self, key: SnapshotKey) -> int:
        return 100

    def paths(self, key: SnapshotKey) -> OverlayPaths:
        return OverlayPaths([], f"/snapshots/{key}/diff", f"/snapshots/{key}/work", "")

    async def remove(self, key: SnapshotKey) -> None:
        self.keys.discard(key)


async def _nothing() -> None:
    return


class FakeImages:
    """One image, "busybox"."""

    def __init__(self) -> None:
        self.commits: list[LayerCommit] = []
        self.during_commit: Callable[[], Awaitable[None]] = _nothing
        self.image = Image(
            id=ImageId("sha256:" + "ab" * 32),
            document=ImageDocument(config=ImageConfig(cmd=["sh"], env=["PATH=/bin"])),
            tags=["docker.io/library/busybox:latest"],
        )

    def get(self, ref: str, *, platform: str = "") -> Image:
        if ref in ("busybox", self.image.id):
            return self.image
        raise NoSuchImage(f"{ref}:latest")

    def reference(self, repository: str, tag: str) -> Reference:
        return parse(f"{repository}:{tag or 'latest'}")

    async def commit(self, commit: LayerCommit, check: Callable[[], None]) -> Image:
        self.commits.append(commit)
        await self.during_commit()
        check()
        return self.image

    def note_use(self, image: Image) -> None:
        assert image is self.image


@dataclass
class FakeNetworks:
    """Predefined networks; joins are counted."""

    joined: dict[ContainerId, Connection] = field(default_factory=dict)
    refusal: Exception | None = None

    def get(self, ref: str) -> Network:
        return Network(id=NetworkId(f"{ref}-id"), name=ref.removesuffix("-id"), created="")

    async def join(self, request: JoinRequest) -> Connection:
        if self.refusal is not None:
            raise self.refusal
        endpoints = {
            network.name: Endpoint(
                id="e" * 64,  # type: ignore[arg-type]
                network_id=network.id,
                interface="eth0",
                host_interface="veth0",
                mac_address="02:42:ac:11:00:02",
                address="172.17.0.2",
                prefix=16,
                gateway="172.17.0.1",
            )
            for network, _ in request.networks
        }
        connection = Connection(sandbox_id="5" * 64, namespace="/proc/1/fd/9", endpoints=endpoints)
        self.joined[request.container_id] = connection
        return connection

    async def started(self, container_id: ContainerId, pid: int, connection: Connection) -> None:
        return None

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        self.joined.pop(container_id, None)

    def announce_left(self, container_id: ContainerId, connection: Connection) -> None:
        assert container_id not in self.joined


class FakeVolumes:
    """Remembers what was removed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.removed: list[str] = []

    async def remove(self, name: str, *, force: bool = False) -> None:
        self.removed.append(name)


class FakeArchiver:
    """Never called where no volume is filled."""


class FakeLogReader:
    """Never called where no log is read."""
