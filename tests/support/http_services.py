"""Small fakes of the engine's services for tests of the API: they remember what they were asked."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

from msgspec import structs

from wharfie.api import Services
from wharfie.engine.containers import Processes, Pruned, Sample
from wharfie.engine.events import EventBus
from wharfie.engine.images.service import Deletion
from wharfie.engine.system import SystemInfo, VersionInfo
from wharfie.formats.logs.runs import LogRun
from wharfie.formats.stdcopy import encode
from wharfie.model.archive import PathStat
from wharfie.model.container import (
    Config,
    Container,
    Created,
    ExitStatus,
    HostConfig,
    State,
    Status,
)
from wharfie.model.errors import EngineError, NoSuchContainer, NoSuchExec, NoSuchImage, NotModified
from wharfie.model.exec import Exec
from wharfie.model.image import Image, ImageConfig, ImageDocument
from wharfie.model.network import EndpointSettings, NetworkAttachment, PortBinding
from wharfie.model.snapshot import Change
from wharfie.model.usage import Usage

IMAGE_ID = "sha256:" + "ab" * 32


def sample_container(number: int = 1, **changes: Any) -> Container:
    """A running container on the default bridge with a published port."""
    container_id = f"{number:064x}"
    endpoint = EndpointSettings(
        network_id="n" * 64,
        endpoint_id="e" * 64,
        gateway="172.17.0.1",
        ip_address="172.17.0.2",
        ip_prefix_len=16,
        mac_address="02:42:ac:11:00:02",
        dns_names=["web"],
    )
    container = Container(
        id=container_id,  # type: ignore[arg-type]
        name=f"web{number}",
        created="2026-01-02T03:04:05.123456789Z",
        created_at=1767323045123456789 + number,
        path="sh",
        args=["-c", "sleep 9"],
        config=Config(hostname=container_id[:12], image="busybox", labels={"a": "b"}),
        host_config=HostConfig(network_mode="bridge"),
        image=IMAGE_ID,  # type: ignore[arg-type]
        image_ref="busybox",
        state=State(status=Status.RUNNING, pid=42, started_at="2026-01-02T03:04:06.5Z"),
        networks={"bridge": NetworkAttachment(endpoint)},
        ports={"80/tcp": [PortBinding("0.0.0.0", "8080")], "81/udp": None},
        sandbox_id="s" * 64,
    )
    return structs.replace(container, **changes)


def sample_image(**changes: Any) -> Image:
    """A tagged image of one layer."""
    image = Image(
        id=IMAGE_ID,  # type: ignore[arg-type]
        document=ImageDocument(
            architecture="amd64",
            os="linux",
            created="2026-01-01T00:00:00Z",
            config=ImageConfig(cmd=["sh"], env=["PATH=/bin"]),
        ),
        tags=["docker.io/library/busybox:latest"],
        size=1000,
    )
    return structs.replace(image, **changes)


class FakeContainers:
    """Records by ID; verbs are remembered in `calls`, and fail with `error` once it is set."""

    def __init__(self) -> None:
        self.records: dict[str, Container] = {}
        self.calls: list[tuple] = []
        self.error: BaseException | None = None
        self.waiters: list[asyncio.Future[ExitStatus]] = []
        self.slow = 0.0
        self.finished = threading.Event()

    def add(self, *containers: Container) -> None:
        self.records.update({one.id: one for one in containers})

    def get(self, ref: str) -> Container:
        for one in self.records.values():
            if one.id.startswith(ref) or one.name == ref.removeprefix("/"):
                return one
        raise NoSuchContainer(ref)

    def select(self, *, filters, all_=False, limit=0):
        self.calls.append(("select", filters, all_, limit))
        return sorted(self.records.values(), key=lambda one: -one.created_at)

    async def create(self, spec):
        await self._called("create", spec)
        return Created("c" * 64)  # type: ignore[arg-type]

    async def start(self, ref):
        await self._called("start", ref)

    async def stop(self, ref, *, grace=None, signal=None):
        await self._called("stop", ref, grace, signal)

    async def restart(self, ref, *, grace=None, signal=None):
        await self._called("restart", ref, grace, signal)

    async def kill(self, ref, *, signal=""):
        await self._called("kill", ref, signal)

    async def pause(self, ref):
        await self._called("pause", ref)

    async def unpause(self, ref):
        await self._called("unpause", ref)

    async def rename(self, ref, name):
        await self._called("rename", ref, name)

    async def remove(self, ref, *, force=False, volumes=False, link=False):
        await self._called("remove", ref, force, volumes, link)

    async def prune(self, filters):
        await self._called("prune", filters)
        return Pruned()

    def wait(self, ref, condition):
        self.get(ref)
        self.calls.append(("wait", ref, condition))
        future = asyncio.get_running_loop().create_future()
        self.waiters.append(future)
        return future

    async def top(self, ref, ps_args):
        await self._called("top", ref, ps_args)
        return Processes(["PID"], [["1"]])

    async def resize(self, ref, *, rows, columns):
        await self._called("resize", ref, rows, columns)

    async def size(self, ref):
        return (10, 1010)

    async def _called(self, *call) -> None:
        self.calls.append(call)
        if self.slow:
            await asyncio.sleep(self.slow)
            self.finished.set()
        if self.error is not None:
            raise self.error


class FakeStreams:
    """Attaching meets somebody who answers in upper case, framed as Docker does."""

    def __init__(self, containers: FakeContainers) -> None:
        self._containers = containers
        self.entries: list[LogRun] = []
        self.queries: list = []
        self.follow = asyncio.Event

    def check_attach(self, ref, request):
        self.queries.append(request)
        return self._containers.get(ref)

    async def attach(self, container, request, connection, head):
        start_shouter(os.dup(connection), head, framed=not container.config.tty)

    def logs(self, ref, query):
        self.queries.append(query)
        container = self._containers.get(ref)

        async def batches() -> AsyncIterator[list[LogRun]]:
            if self.entries:
                yield self.entries
            if query.follow:
                await asyncio.sleep(60)

        return container, batches()


def start_shouter(fd: int, head: bytes, *, framed: bool) -> None:
    """Answer on a socket, in a thread, until its input ends."""

    def say(mine: socket.socket, data: bytes) -> None:
        mine.sendall(encode(1, data) if framed else data)

    def run() -> None:
        with socket.socket(fileno=fd) as mine:
            mine.setblocking(True)
            if head:
                say(mine, head.upper())
            while data := mine.recv(65536):
                say(mine, data.upper())
            say(mine, b"bye\n")

    threading.Thread(target=run, daemon=True).start()


class FakeFiles:
    """One path with one tar; what is copied in is collected."""

    def __init__(self) -> None:
        self.received = b""
        self.stat_ = PathStat(name="etc", size=4096, mode=2147484141, mtime="2026-01-01T00:00:00Z")

    async def stat(self, ref, path):
        return self.stat_

    async def copy_out(self, ref, path):
        return self.stat_, _chunks(b"tar", b"ball")

    async def copy_in(self, ref, path, source, **options):
        async for chunk in source:
            self.received += chunk

    async def changes(self, ref):
        return [Change("/etc", 0)] if ref == "changed" else []

    async def export(self, ref):
        return _chunks(b"root", b"fs")


class FakeUsage:
    """Every container uses the same."""

    def __init__(self, containers: FakeContainers) -> None:
        self._containers = containers

    async def once(self, ref):
        return Sample(self._containers.get(ref), Usage(at=1))

    async def pair(self, ref):
        return Sample(self._containers.get(ref), Usage(at=2), Usage(at=1))

    def follow(self, ref):
        container = self._containers.get(ref)

        async def samples() -> AsyncIterator[Sample]:
            yield Sample(container, Usage(at=1))
            yield Sample(container, Usage(at=2), Usage(at=1))

        return samples()


class FakeUpdates:
    """Remembers what was to change."""

    def __init__(self, containers: FakeContainers) -> None:
        self._containers = containers
        self.specs: list = []

    async def update(self, ref, spec):
        self._containers.get(ref)
        self.specs.append(spec)
        return []


class FakeCommits:
    """Remembers what was to be committed."""

    def __init__(self, containers: FakeContainers) -> None:
        self._containers = containers
        self.specs: list = []

    async def commit(self, ref, spec):
        self._containers.get(ref)
        self.specs.append(spec)
        return IMAGE_ID


class FakeExecs:
    """Exec instances by ID."""

    def __init__(self) -> None:
        self.records: dict[str, Exec] = {}
        self.calls: list[tuple] = []

    def get(self, exec_id):
        if exec_id not in self.records:
            raise NoSuchExec(exec_id)
        return self.records[exec_id]

    def running_in(self, container_id):
        return [one.id for one in self.records.values() if one.container_id == container_id]

    async def create(self, ref, config):
        self.calls.append(("create", ref, config))
        record = Exec(id="f" * 64, container_id=ref, config=config)  # type: ignore[arg-type]
        self.records[record.id] = record
        return record

    def check_start(self, exec_id, start):
        return self.get(exec_id)

    async def start_attached(self, exec_, start, connection, head):
        self.calls.append(("attached", exec_.id, head))
        start_shouter(os.dup(connection), head, framed=not start.tty)

    async def start_detached(self, exec_):
        self.calls.append(("detached", exec_.id))

    async def resize(self, exec_id, *, rows, columns):
        self.calls.append(("resize", exec_id, rows, columns))


class FakeImages:
    """Images by familiar name or ID."""

    def __init__(self) -> None:
        self.records = {"busybox": sample_image()}
        self.messages: list[Any] = []
        self.received = b""

    def get(self, ref, *, platform="", platforms=()):
        for name, one in self.records.items():
            if ref in (name, f"{name}:latest", one.id):
                return one
        raise NoSuchImage(ref if ":" in ref else f"{ref}:latest")

    def select(self, filters, *, all_=False):
        return list(self.records.values())

    def users(self, image):
        return [1, 2]

    def shared_size(self, image):
        return 7

    def layers_size(self):
        return 1000

    async def load(self, source, *, quiet, platforms=()):
        async for chunk in source:
            self.received += chunk
        for message in self.messages:
            if isinstance(message, EngineError):
                raise message
            yield message

    pull_error: EngineError | None = None

    async def pull(self, ref):
        raise NoSuchImage(ref)
        yield {}

    def save(self, refs, *, omit=(), platforms=()):
        for ref in refs:
            self.get(ref)
        return _chunks(b"saved")

    async def tag(self, ref, *, repository, tag):
        self.get(ref)

    async def remove(self, ref, *, force=False, prune=True, platforms=()):
        return [Deletion(untagged="busybox:latest"), Deletion(deleted=IMAGE_ID)]

    async def prune(self, filters):
        return [], 0


class FakeSystem:
    """Facts of no real host."""

    def version(self):
        return VersionInfo(
            version="9.8.7",
            git_commit="abc",
            kernel_version="6.1",
            architecture="x86_64",
            build_time="2026-01-01",
            components=[("crun", "1.8.1", {})],
        )

    def info(self):
        return SystemInfo(
            id="ID",
            name="host",
            containers_running=1,
            images=1,
            kernel_version="6.1",
            operating_system="Debian",
            os_version="12",
            architecture="x86_64",
            cpus=4,
            memory=1 << 33,
            data_root="/var/lib/wharfie",
            server_version="9.8.7",
            cgroup_driver="cgroupfs",
            cgroup_version="2",
            default_runtime="crun",
            runtimes={"crun": "/usr/bin/crun"},
            security_options=["name=seccomp,profile=builtin"],
            storage_driver="overlay2",
            storage_status=[("Backing Filesystem", "extfs")],
            log_driver="json-file",
            debug=False,
        )


class Refusing:
    """A service nobody should call in this test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


class Bench:
    """Services on fakes, with the fakes at hand."""

    def __init__(self) -> None:
        self.containers = FakeContainers()
        self.streams = FakeStreams(self.containers)
        self.files = FakeFiles()
        self.usage = FakeUsage(self.containers)
        self.updates = FakeUpdates(self.containers)
        self.commits = FakeCommits(self.containers)
        self.execs = FakeExecs()
        self.images = FakeImages()
        self.events = EventBus()
        fakes: Any = self  # fakes are narrower than what they stand for
        nobody: Any = Refusing()
        system: Any = FakeSystem()
        self.services = Services(
            containers=fakes.containers,
            streams=fakes.streams,
            files=fakes.files,
            usage=fakes.usage,
            updates=fakes.updates,
            commits=fakes.commits,
            execs=fakes.execs,
            images=fakes.images,
            builds=nobody,
            registries=nobody,
            networks=nobody,
            attachments=nobody,
            publishing=nobody,
            volumes=nobody,
            volume_archives=nobody,
            system=system,
            events=self.events,
        )


async def _chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


__all__ = ["Bench", "NotModified", "sample_container", "sample_image"]
