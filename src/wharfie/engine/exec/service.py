"""Verbs on exec instances. Source: behaviours 72–77.

An instance lives in memory for `KEPT` seconds after its end. Streams of an attached client are
closed by `settle`, after the exit code can be read.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time

from msgspec import Struct, structs

from wharfie.engine.containers import Containers
from wharfie.engine.containers.create.environment import exec_environment
from wharfie.engine.events import EventBus
from wharfie.formats import detach_keys
from wharfie.formats.stdcopy import encode
from wharfie.model.container import Container
from wharfie.model.errors import (
    Conflict,
    EngineError,
    Internal,
    InvalidArgument,
    NoSuchExec,
    StartFailed,
)
from wharfie.model.exec import Exec, ExecConfig
from wharfie.model.ids import ContainerId, ExecId, generate_id, short
from wharfie.model.lifecycle import Verb, check
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import Runtime
from wharfie.model.task import AttachmentEnd, AttachSpec, TaskExit, TaskSupervisor

KEPT = 600.0
_START_BOUND = 10.0
_SIGKILL = 9


class ExecStart(Struct, rename="pascal", frozen=True, kw_only=True):
    """Body of an exec start; `console_size` is [rows, columns]."""

    detach: bool = False
    tty: bool = False
    console_size: list[int] | None = None


class ExecHandle:
    """One exec instance as it changes."""

    def __init__(self, record: Exec) -> None:
        self.record = record
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.ended_at = 0.0


class Execs:
    """Verbs on exec instances; IDs are exact."""

    def __init__(
        self,
        *,
        containers: Containers,
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
        self._handles: dict[str, ExecHandle] = {}

    def get(self, exec_id: str) -> Exec:
        """The present record; NoSuchExec for an unknown or collected one."""
        return self._find(exec_id).record

    def running_in(self, container_id: ContainerId) -> list[ExecId]:
        """IDs of a container's instances, for its inspect."""
        records = [handle.record for handle in self._handles.values()]
        return [r.id for r in records if r.container_id == container_id and r.exit_code is None]

    async def create(self, ref: str, config: ExecConfig) -> Exec:
        """Record an exec instance in a running container."""
        self._collect()
        container = self._containers.get(ref)
        if not config.cmd:
            raise InvalidArgument("No exec command specified")
        check(Verb.EXEC, container)
        _keys(config.detach_keys)
        record = Exec(id=ExecId(generate_id()), container_id=container.id, config=config)
        self._handles[record.id] = ExecHandle(record)
        self._publish(container, f"exec_create: {' '.join(config.cmd)}", record)
        return record

    def check_start(self, exec_id: str, start: ExecStart) -> Exec:
        """Everything that can be refused, before the connection is taken over."""
        handle = self._find(exec_id)
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

    async def start_attached(self, exec_: Exec, connection: int, head: bytes) -> None:
        """Start with a taken-over connection as its stdio; returns when it runs.

        A process that cannot start is told on the connection, with exit code 126 or 127.
        """
        config = exec_.config
        stdin = config.attach_stdin
        spec = AttachSpec(
            stdin=stdin,
            stdout=config.attach_stdout or config.tty,
            stderr=config.attach_stderr and not config.tty,
            framed=not config.tty,
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
        exec_ = self.check_start((await self.create(ref, config)).id, ExecStart())
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
        handle = self._find(exec_.id)
        await handle.ended.wait()
        return handle.record.exit_code or 0

    def drop_probe(self, exec_: Exec) -> None:
        """Forget an instance that ended, or kill it and forget it some time after its end."""
        handle = self._handles.get(exec_.id)
        if handle is None:
            return
        if handle.record.running:
            self._nursery.start(self._kill(exec_), f"end of probe {short(exec_.id)}")
            return
        del self._handles[exec_.id]
        if not handle.record.pid:  # its attachment waits for a start that failed
            settle = self._supervisor.settle(exec_.id)
            self._nursery.start(settle, f"end of probe {short(exec_.id)}")

    async def _kill(self, exec_: Exec) -> None:
        await self._supervisor.signal(exec_.id, _SIGKILL)

    async def resize(self, exec_id: str, *, rows: int, columns: int) -> None:
        """Set the terminal's size; waits up to 10 s for a start under way."""
        handle = self._find(exec_id)
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
        handle = self._handles.get(exit_.id)
        if handle is None:
            return False
        if handle.record.exit_code is None:
            code = exit_.code if exit_.code >= 0 else 255
            self._end(handle, code)
            container = self._containers.get(handle.record.container_id)
            self._publish(container, "exec_die", handle.record, exitCode=str(code))
        settle = self._supervisor.settle(exit_.id)
        self._nursery.start(settle, f"end of exec {short(exit_.id)}")
        return True

    def attachment_ended(self, end: AttachmentEnd) -> None:
        """An attached client left; publish it when it was by the detach keys."""
        handle = self._handles.get(end.task_id)
        if handle is not None and end.detached:
            container = self._containers.get(handle.record.container_id)
            self._publish(container, "exec_detach", handle.record)

    async def _launch(self, exec_: Exec) -> None:
        handle = self._find(exec_.id)
        container = self._containers.get(exec_.container_id)
        self._publish(container, f"exec_start: {' '.join(exec_.config.cmd)}", exec_)
        handle.record = structs.replace(handle.record, running=True)
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
            self._end(handle, error.exit_code if isinstance(error, StartFailed) else 128)
            raise
        finally:
            handle.started.set()
        handle.record = structs.replace(handle.record, pid=pid)

    def _end(self, handle: ExecHandle, code: int) -> None:
        handle.record = structs.replace(handle.record, running=False, exit_code=code)
        handle.ended_at = time.monotonic()
        handle.ended.set()

    def _find(self, exec_id: str) -> ExecHandle:
        handle = self._handles.get(exec_id)
        if handle is None:
            raise NoSuchExec(exec_id)
        try:
            self._containers.get(handle.record.container_id)
        except EngineError:
            del self._handles[exec_id]
            raise NoSuchExec(exec_id) from None
        return handle

    def _collect(self) -> None:
        """Forget instances that ended long ago."""
        limit = time.monotonic() - KEPT
        old = [key for key, h in self._handles.items() if 0 < h.ended_at < limit]
        for key in old:
            del self._handles[key]

    def _publish(self, container: Container, action: str, exec_: Exec, **facts: str) -> None:
        attributes = dict(container.config.labels)
        attributes.update(
            {"image": container.image_ref, "name": container.name, "execID": exec_.id, **facts}
        )
        self._events.publish("container", action, container.id, attributes)


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
