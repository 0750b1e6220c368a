"""What daemons ask for: one method a request, see `protocol`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wharfie import __version__
from wharfie.supervisor import protocol
from wharfie.supervisor.client import Client
from wharfie.supervisor.processes.launch import LaunchSpec
from wharfie.supervisor.protocol import Message, ProtocolError
from wharfie.supervisor.server import Session
from wharfie.supervisor.service import Supervisor
from wharfie.supervisor.streams.attach import AttachSettings
from wharfie.supervisor.task import Task
from wharfie.supervisor.upgrades import handover
from wharfie.supervisor.upgrades.upgrade import Upgrade


class Request:
    """One request: a message, who sent it, and the descriptors that came with it.

    A handler takes the descriptors it keeps out of `fds`; the rest is closed.
    """

    __slots__ = ("fds", "message", "session")

    def __init__(self, session: Session, message: Message, fds: list[int]) -> None:
        self.session = session
        self.message = message
        self.fds = fds

    def reply(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Answer."""
        self.session.reply(self.message, message, fds)


Handler = Callable[[Request], None]


class Requests:
    """Carries out requests."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._handlers: dict[str, Handler] = {
            "hello": self._hello,
            "tasks": self._tasks,
            "launch": self._launch,
            "attach": self._attach,
            "release": self._release,
            "resize": self._resize,
            "signal": self._signal,
            "settle": self._settle,
            "describe": self._describe,
            "adopt": self._adopt,
            "reaped": self._reaped,
            "upgrade": self._upgrade,
            "shutdown": self._shutdown,
        }

    def handle(self, session: Session, message: Message, fds: list[int]) -> None:
        """Carry out one request."""
        handler = self._handlers.get(protocol.text(message, "type"))
        if handler is None:
            session.refuse(message, f"unknown request {message.get('type')!r}")
            return
        try:
            handler(Request(session, message, fds))
        except (ProtocolError, OSError) as error:
            self._supervisor.diagnostics.write(f"{message.get('type')}: {error}")
            session.refuse(message, str(error))

    def _hello(self, request: Request) -> None:
        request.reply({"version": protocol.VERSION, "release": __version__})
        self._supervisor.greet(request.session)

    def _tasks(self, request: Request) -> None:
        rows: list[Message] = []
        for task in self._supervisor.tasks.values():
            row: Message = {"id": task.id, "pid": task.pid}
            if task.exit is not None:
                row["exit"] = {"code": task.exit.code, "at": task.exit.at}
            if task.exit is not None or task.pid or task.is_launching:
                rows.append(row)
        size = protocol.TASKS_PER_REPLY
        for start in range(0, max(len(rows), 1), size):
            more = start + size < len(rows)
            request.reply({"tasks": rows[start : start + size], "more": more})

    def _launch(self, request: Request) -> None:
        spec = LaunchSpec(protocol.nested(request.message, "spec") or {})
        task = self._supervisor.task(spec.task_id)
        if task.pid or task.is_launching or task.exit is not None:
            raise ProtocolError(f"task {spec.task_id} was started already")
        count = len(spec.mount_targets)
        if len(request.fds) not in (count, count + 1):
            raise ProtocolError(f"launch: {len(request.fds)} mounts for {count} targets")
        self._supervisor.open_log(task, spec.log)

        def done(error: str) -> None:
            if error:
                request.session.refuse(request.message, error, failed=True)
                return
            state, held = handover.describe(task)
            request.reply(state, held)

        rootfs = request.fds.pop(0) if len(request.fds) > count else -1
        trees = list(request.fds)
        request.fds.clear()
        self._supervisor.launch(spec, rootfs, trees, done)

    def _attach(self, request: Request) -> None:
        task = self._supervisor.task(protocol.text(request.message, "task"))
        attachment_id = protocol.number(request.message, "id")
        settings = AttachSettings(protocol.nested(request.message, "spec") or {})
        if not request.fds or attachment_id in task.clients:
            raise ProtocolError("attach: no connection, or a used ID")
        head = protocol.decode_bytes(protocol.text(request.message, "head"))
        client = Client(self._supervisor.loop, task, attachment_id, request.fds[0], settings)
        request.fds.pop(0)
        if not settings.hold or task.log is None:
            task.add_client(client, head)
            request.reply({"log_size": 0})
            return
        log = task.log
        for stream in (1, 2):
            pending = log.pending(stream)
            if pending and client.state.wants(stream):
                client.state.keep(client.state.frame(stream, pending))

        def reached(size: int) -> None:
            if client.is_open and client.state.held:
                client.on_release = log.unpin
            else:
                log.unpin()
            request.reply({"log_size": size})

        log.mark(reached, pin=True)
        task.add_client(client, head)

    def _release(self, request: Request) -> None:
        task = self._known(request.message)
        client = task.clients.get(protocol.number(request.message, "id")) if task else None
        if client is not None:
            client.release()
        request.reply({})

    def _resize(self, request: Request) -> None:
        task = self._known(request.message)
        if task is not None:
            task.resize(
                protocol.number(request.message, "rows"),
                protocol.number(request.message, "columns"),
            )
        request.reply({})

    def _signal(self, request: Request) -> None:
        task = self._known(request.message)
        alive = task is not None and task.signal(protocol.number(request.message, "number"))
        request.reply({"alive": alive})

    def _settle(self, request: Request) -> None:
        task = self._known(request.message)
        if task is not None:
            if task.is_running or task.is_launching:
                raise ProtocolError(f"task {task.id} has not ended")
            self._supervisor.settle(task)
        request.reply({})

    def _describe(self, request: Request) -> None:
        task = self._known(request.message)
        if task is None:
            raise ProtocolError("no such task")
        state, held = handover.describe(task)
        request.reply(state, held)

    def _adopt(self, request: Request) -> None:
        named = dict(zip(protocol.texts(request.message, "fds"), request.fds, strict=False))
        request.fds.clear()
        handover.adopt(self._supervisor, request.message, named)
        request.reply({})

    def _reaped(self, request: Request) -> None:
        code = request.message.get("code")
        task_id = protocol.text(request.message, "task")
        self._supervisor.reaper.on_answer(task_id, code if isinstance(code, int) else None)

    def _upgrade(self, request: Request) -> None:
        Upgrade(self._supervisor, request.session, request.message).start()

    def _shutdown(self, request: Request) -> None:
        self._supervisor.is_shutting_down = True
        request.reply({"tasks": self._supervisor.count_alive()})
        self._supervisor.leave_if_done()

    def _known(self, message: Message) -> Task | None:
        return self._supervisor.tasks.get(protocol.text(message, "task"))
