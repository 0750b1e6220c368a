"""The daemon's side of the zygote: started on need, restarted when it dies, ended on close.

The zygote's socket is the only tie: when the daemon dies, its end closes and the zygote leaves,
and the kernel kills the workers with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from wharfie.drivers.archive import readiness
from wharfie.jail import protocol
from wharfie.model.errors import Internal, Unavailable

_START_SECONDS = 30.0
_END_SECONDS = 5.0
_SOCKET = 3
_PROGRAM = """\
import sys
sys.path[:] = {path!r}
from wharfie.jail.zygote import main
main({fd})
"""


class Worker:
    """A forked worker: how to kill it and to learn of its end.

    Attributes:
        control: the daemon's end of its control socket.
    """

    def __init__(self, control: socket.socket, pidfd: int, exited: asyncio.Future[int]) -> None:
        self.control = control
        self._pidfd = pidfd
        self._exited = exited

    async def exit_code(self) -> int:
        """Wait for its end; a negative code is the signal that killed it."""
        return await asyncio.shield(self._exited)

    async def end(self) -> None:
        """Kill it if it still runs, wait until it is gone, release everything."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        try:
            await asyncio.shield(self._exited)
        finally:
            self.control.close()
            os.close(self._pidfd)


class ZygoteProcess:
    """One zygote process and its conversation; forks workers while it lives."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket = ours
        self._last_id = 0
        self._forking: dict[int, asyncio.Future[int]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._sending = asyncio.Lock()
        self.dead = False
        with theirs:
            self.pid = _spawn(theirs)
        self._loop.add_reader(ours, self._on_readable)

    async def ready(self) -> None:
        """Wait until it has imported everything.

        Raises:
            Unavailable: it did not start.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.shield(self._ready)
        except TimeoutError:
            raise Unavailable("the archive worker process did not start in time") from None

    async def fork(self, control: socket.socket, descriptors: list[int]) -> Worker:
        """Make a worker that owns copies of `descriptors`, its own control socket first.

        Args:
            control: the daemon's end of the worker's control socket; the worker's from now on.
            descriptors: the other end, root directory, and data if any.

        Raises:
            Unavailable: the zygote is gone.
            Internal: the kernel made no process.
        """
        self._last_id += 1
        id_ = self._last_id
        forked: asyncio.Future[int] = self._loop.create_future()
        exited: asyncio.Future[int] = self._loop.create_future()
        self._forking[id_], self._running[id_] = forked, exited
        try:
            await self._request(protocol.Fork(id_), descriptors)
            pidfd = await asyncio.shield(forked)
        except asyncio.CancelledError:
            forked.add_done_callback(_kill_unwanted)
            raise
        except BaseException:
            self._forking.pop(id_, None)
            self._running.pop(id_, None)
            raise
        return Worker(control, pidfd, exited)

    async def close(self) -> None:
        """End it; workers still running are killed by the kernel."""
        self._lose()
        pidfd = _pidfd(self.pid)
        if pidfd is None:
            return
        try:
            await readiness.readable(pidfd, _END_SECONDS)
        except readiness.Stalled:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            await readiness.readable(pidfd, None)
        finally:
            os.close(pidfd)
            _reap(self.pid)

    async def _request(self, request: protocol.Fork, descriptors: list[int]) -> None:
        async with self._sending:
            while True:
                try:
                    socket.send_fds(self._socket, [protocol.encode(request)], descriptors)
                except BlockingIOError:
                    await readiness.writable(self._socket.fileno(), None)
                except OSError as error:
                    self._lose()
                    raise Unavailable("the archive worker process is gone") from error
                else:
                    return

    def _on_readable(self) -> None:
        while not self.dead:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._socket, protocol.MAX_MESSAGE, 4, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._lose()
                return
            self._on_message(protocol.decode_from_zygote(data), descriptors)

    def _on_message(self, message: protocol.FromZygote, descriptors: list[int]) -> None:
        match message:
            case protocol.Ready():
                self._ready.set_result(None)
            case protocol.Forked():
                self._forking.pop(message.id).set_result(descriptors[0])
            case protocol.ForkFailed():
                del self._running[message.id]
                failed = Internal(f"archive worker: fork: {message.message}")
                self._forking.pop(message.id).set_exception(failed)
            case protocol.Exited():
                self._running.pop(message.id).set_result(message.code)

    def _lose(self) -> None:
        """The conversation is over: whoever waits for something is told."""
        if self.dead:
            return
        self.dead = True
        self._loop.remove_reader(self._socket)
        self._socket.close()
        gone = Unavailable("the archive worker process is gone")
        for forking in self._forking.values():
            if not forking.done():
                forking.set_exception(gone)
                forking.exception()  # the one waiting may have been cancelled
        for exited in self._running.values():
            if not exited.done():
                exited.set_result(-signal.SIGKILL)
        if not self._ready.done():
            self._ready.set_exception(gone)
            self._ready.exception()
        self._forking.clear()
        self._running.clear()


def _spawn(theirs: socket.socket) -> int:
    """Start the interpreter; never fork a large process."""
    # The daemon's own search path, absolute entries only; -I -S: nothing from environment,
    # working directory or site hooks.
    path = [entry for entry in sys.path if entry.startswith("/")]
    program = _PROGRAM.format(path=path, fd=_SOCKET)
    argv = [sys.executable, "-I", "-S", "-X", "utf8", "-c", program]
    environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    # Made inheritable in the child only: another child that got it would hide the zygote's end.
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), _SOCKET)]
    try:
        return os.posix_spawn(sys.executable, argv, environment, file_actions=actions)
    except OSError as error:
        raise Unavailable(f"cannot start the archive worker process: {error}") from error


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None  # somebody who reaps every child was first


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _kill_unwanted(forked: asyncio.Future[int]) -> None:
    """The one who asked for this worker was cancelled meanwhile."""
    if not forked.cancelled() and forked.exception() is None:
        signal.pidfd_send_signal(forked.result(), signal.SIGKILL)
        os.close(forked.result())
