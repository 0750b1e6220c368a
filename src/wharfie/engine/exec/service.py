"""Verbs on exec instances. Source: behaviours 72–77.

Streams of an attached client are closed by `settle`, after the exit code is recorded and can be
read.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from wharfie.engine.containers import Containers
from wharfie.engine.containers.create.environment import exec_environment
from wharfie.engine.events import EventBus
from wharfie.engine.exec.records import LOST, ExecHandle, ExecRecords
from wharfie.formats import detach_keys
from wharfie.formats.stdcopy import encode
from wharfie.model.container import Container
from wharfie.model.errors import (
    Conflict,
    EngineError,
    Internal,
    InvalidArgument,
    NotFound,
    StartFailed,
)
from wharfie.model.exec import Exec, ExecConfig
from wharfie.model.ids import ContainerId, ExecId, generate_id, short
from wharfie.model.lifecycle import Verb, check
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import Runtime
from wharfie.model.store import Store
from wharfie.model.task import AttachmentEnd, AttachSpec, TaskExit, TaskStatus, TaskSupervisor

_START_BOUND = 10.0
_SIGKILL = 9


class ExecStart(Struct, rename="pascal", frozen=True, kw_only=True):
    """Body of an exec start; `console_size` is [rows, columns]."""

    detach: bool = False
    tty: bool = False
    console_size: list[int] | None = None


class Execs:
    """Verbs on exec instances; IDs are exact."""

    def __init__(
        self,
        *,
        containers: Containers,
        store: Store,
        runtime: Runtime,
        supervisor: TaskSupervisor,
        events: EventBus,
        nursery: Nursery,
    ) -> None:
        self._containers = containers
        self._runtime = runtime
        self._supervisor = supervisor
        self._events = events
        self._nursery = nursery
        self._records = ExecRecords(store, containers.get)

    async def load(self, tasks: Mapping[str, TaskStatus]) -> None:
        """At start: take up instances of the daemon before; `tasks` are the supervisor's."""
        await self._records.load(tasks)

    def __contains__(self, exec_id: object) -> bool:
        return exec_id in self._records

    def get(self, exec_id: str) -> Exec:
        """The present record; NoSuchExec for an unknown or collected one."""
        return self._records.find(exec_id).record

    def running_in(self, container_id: ContainerId) -> list[ExecId]:
        """IDs of a container's instances, for its inspect."""
        return self._records.running_in(container_id)

    async def create(self, ref: str, config: ExecConfig) -> Exec:
        """Record an exec instance in a running container."""
        return await self._create(ref, config)

    async def _create(self, ref: str, config: ExecConfig, *, is_probe: bool = False) -> Exec:
        container = self._containers.get(ref)
        if not config.cmd:
            raise InvalidArgument("No exec command specified")
        check(Verb.EXEC, container)
        _keys(config.detach_keys)
        record = Exec(id=ExecId(generate_id()), container_id=container.id, config=config)
        await self._records.add(ExecHandle(record, is_probe=is_probe))
        self._publish(container, f"exec_create: {_spell(config.cmd)}", record)
        return record

    def check_start(self, exec_id: str, start: ExecStart) -> Exec:
        """Everything that can be refused, before the connection is taken over."""
        handle = self._records.find(exec_id)
        record = handle.record
        if record.started:
            state = "is already running" if record.exit_code is None else "has already run"
            raise Conflict(f"exec command {exec_id} {state}")
        check(Verb.EXEC, self._containers.get(record.container_id))
        if start.console_size and len(start.console_size) == 2:
            config = structs.replace(record.config, console_size=start.console_size)
            record = structs.replace(record, config=config)
        handle.record = structs.replace(record, started=True)
        return handle.record

    async def start_attached(
        self, exec_: Exec, start: ExecStart, connection: int, head: bytes
    ) -> None:
        """Start with a taken-over connection as its stdio; returns when it runs.

        A process that cannot start is told on the connection, with exit code 126 or 127.
        """
        config = exec_.config
        stdin = config.attach_stdin
        spec = AttachSpec(
            stdin=stdin,
            stdout=config.attach_stdout or config.tty,
            stderr=config.attach_stderr and not config.tty,
            framed=not start.tty,
            detach_keys=_keys(config.detach_keys) if stdin and config.tty else b"",
            head=head if stdin else b"",
        )
        await self._supervisor.attach(exec_.id, connection, spec)
        try:
            await self._launch(exec_)
        except EngineError as error:
            await _tell(connection, error.message, framed=spec.framed)
            await self._supervisor.settle(exec_.id)

    async def start_detached(self, exec_: Exec) -> None:
        """Start without a client; StartFailed when it cannot."""
        await self._launch(exec_)

    async def begin_probe(self, ref: str, config: ExecConfig, connection: int) -> Exec:
        """Run an instance of the engine's own, its output unframed on a connection.

        The caller ends it with `drop_probe`.

        Raises:
            EngineError: it cannot start.
        """
        made = await self._create(ref, config, is_probe=True)
        exec_ = self.check_start(made.id, ExecStart())
        spec = AttachSpec(stdout=True, stderr=True, framed=False)
        try:
            await self._supervisor.attach(exec_.id, connection, spec)
            await self._launch(exec_)
        except BaseException:
            self.drop_probe(exec_)
            raise
        return exec_

    async def end_of_probe(self, exec_: Exec) -> int:
        """The exit code, once there is one."""
        handle = self._records.find(exec_.id)
        await handle.ended.wait()
        return handle.record.exit_code or 0

    def drop_probe(self, exec_: Exec) -> None:
        """Forget an instance that ended, or kill it and forget it some time after its end."""
        handle = self._records.get(exec_.id)
        if handle is None:
            return
        if handle.record.running:
            self._nursery.start(self._kill(exec_), f"end of probe {short(exec_.id)}")
            return
        self._records.drop(exec_.id)
        if not handle.record.pid:  # its attachment waits for a start that failed
            settle = self._supervisor.settle(exec_.id)
            self._nursery.start(settle, f"end of probe {short(exec_.id)}")

    async def _kill(self, exec_: Exec) -> None:
        await self._supervisor.signal(exec_.id, _SIGKILL)

    async def resize(self, exec_id: str, *, rows: int, columns: int) -> None:
        """Set the terminal's size; waits up to 10 s for a start under way."""
        handle = self._records.find(exec_id)
        try:
            async with asyncio.timeout(_START_BOUND):
                await handle.started.wait()
        except TimeoutError:
            raise Internal("timeout waiting for exec session ready") from None
        if not handle.record.running:
            raise Conflict(f"exec command {exec_id} is not running")
        await self._supervisor.resize(exec_id, rows=rows, columns=columns)

    def on_exit(self, exit_: TaskExit) -> bool:
        """Take up an exit; False when it is not an exec's."""
        handle = self._records.get(exit_.id)
        if handle is None:
            return False
        is_news = handle.record.exit_code is None
        if is_news:
            handle.end(exit_.code if exit_.code >= 0 else LOST)
        self._nursery.start(self._settle(handle, is_news), f"end of exec {short(exit_.id)}")
        return True

    async def _settle(self, handle: ExecHandle, is_news: bool) -> None:
        """Commit an end, tell of it, let its streams be closed."""
        record = handle.record
        try:
            if is_news:
                await self._records.save(handle)
                self._announce_end(record)
        finally:
            # Also when the disk is full: a client must not wait for a stream that has ended.
            await self._supervisor.settle(record.id)

    def _announce_end(self, record: Exec) -> None:
        try:
            container = self._containers.get(record.container_id)
        except NotFound:
            return  # removed meanwhile: nobody asks any more
        self._publish(container, "exec_die", record, exitCode=str(record.exit_code))

    def attachment_ended(self, end: AttachmentEnd) -> None:
        """An attached client left; publish it when it was by the detach keys."""
        handle = self._records.get(end.task_id)
        if handle is not None and end.detached:
            container = self._containers.get(handle.record.container_id)
            self._publish(container, "exec_detach", handle.record)

    async def _launch(self, exec_: Exec) -> None:
        handle = self._records.find(exec_.id)
        container = self._containers.get(exec_.container_id)
        self._publish(container, f"exec_start: {_spell(exec_.config.cmd)}", exec_)
        handle.record = structs.replace(handle.record, running=True)
        # The intent: without it the next daemon could not tell "lost" from "never started".
        await self._records.save(handle)
        try:
            environment = exec_environment(
                container.config.env,
                exec_.config.env,
                hostname=container.config.hostname,
                tty=exec_.config.tty,
                links=self._containers.link_environment(container),
            )
            pid = await self._runtime.launch_exec(exec_, container, environment=environment)
        except EngineError as error:
            handle.end(error.exit_code if isinstance(error, StartFailed) else 128)
            await self._records.save(handle)
            raise
        handle.record = structs.replace(handle.record, pid=pid)
        handle.started.set()

    def _publish(self, container: Container, action: str, exec_: Exec, **facts: str) -> None:
        attributes = dict(container.config.labels)
        attributes.update(
            {"image": container.image_ref, "name": container.name, "execID": exec_.id, **facts}
        )
        self._events.publish("container", action, container.id, attributes)


def _spell(command: Sequence[str]) -> str:
    """A command as events name it: the program, a blank, the arguments (even if there are none)."""
    return f"{command[0]} {' '.join(command[1:])}"


def _keys(text: str) -> bytes:
    try:
        return detach_keys.parse(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


async def _tell(connection: int, message: str, *, framed: bool) -> None:
    """Write an error to a client that waits for a stream; one that left is no error."""
    line = f"{message}\r\n".encode()
    with socket.socket(fileno=os.dup(connection)) as client:
        client.setblocking(False)
        try:
            data = encode(1, line) if framed else line
            await asyncio.get_running_loop().sock_sendall(client, data)
        except (BrokenPipeError, ConnectionResetError):
            return
