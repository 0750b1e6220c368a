"""The supervisor's entry point.

    wharfie-supervisor --exec-root DIR [--connection FD] [--state FD]

`--connection` is an end of a socket pair whose other end the starting daemon talks to at once;
`--state` is what the replaced program left in an upgrade.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys

from wharfie.kernel.process import set_child_subreaper, set_process_name
from wharfie.supervisor import protocol
from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.loop import READ, Loop
from wharfie.supervisor.processes.cover import UnifiedCover
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.requests import Requests
from wharfie.supervisor.server import Listener
from wharfie.supervisor.service import Supervisor
from wharfie.supervisor.upgrades import upgrade

LOCKED = 75
"""Exit status when another supervisor has the exec-root (EX_TEMPFAIL)."""


class Arguments:
    """The command line."""

    def __init__(self, argv: list[str]) -> None:
        self.exec_root = ""
        self.connection = -1
        self.state = -1
        words = iter(argv)
        for word in words:
            value = next(words, "")
            if word == "--exec-root" and value:
                self.exec_root = os.path.abspath(value)
            elif word == "--connection" and value.isdecimal():
                self.connection = int(value)
            elif word == "--state" and value.isdecimal():
                self.state = int(value)
            else:
                raise SystemExit(f"wharfie-supervisor: bad argument {word!r}")
        if not self.exec_root:
            raise SystemExit("wharfie-supervisor: --exec-root is required")


def main() -> None:
    """Run the supervisor until it is not needed any more."""
    arguments = Arguments(sys.argv[1:])
    _lock(arguments.exec_root)
    os.chdir("/")
    os.umask(0o022)
    set_child_subreaper()
    set_process_name(protocol.PROCESS_NAME)
    _raise_descriptor_limit()
    cover = UnifiedCover()
    cover.lay()
    loop = Loop()
    diagnostics = Diagnostics(f"{arguments.exec_root}/{protocol.LOG_NAME}")
    supervisor = Supervisor(loop, arguments.exec_root, diagnostics, cover)
    requests = Requests(supervisor)
    state: Message = upgrade.read_state(arguments.state) if arguments.state >= 0 else {}
    upgrade.adopt_tasks(supervisor, state)
    _resume_sessions(supervisor, requests, state)
    _handle_signals(loop, supervisor)
    listener = Listener(loop, arguments.exec_root, lambda peer: _accept(supervisor, requests, peer))
    if arguments.connection >= 0:
        os.set_inheritable(arguments.connection, False)
        _accept(supervisor, requests, socket.socket(fileno=arguments.connection))
    diagnostics.write(f"version {protocol.VERSION} ready, {len(supervisor.tasks)} tasks")
    loop.run()
    listener.close()
    diagnostics.write("left")


def _accept(supervisor: Supervisor, requests: Requests, connection: socket.socket) -> None:
    supervisor.accept(connection, requests.handle)


def _resume_sessions(supervisor: Supervisor, requests: Requests, state: Message) -> None:
    reply = protocol.nested(state, "reply") or {}
    for connection, greeted in upgrade.adopt_sessions(state):
        session = supervisor.accept(connection, requests.handle)
        session.is_greeted = greeted
        if session.fd == reply.get("fd"):
            session.reply(reply, {"version": protocol.VERSION})


def _lock(exec_root: str) -> None:
    """Hold the exec-root for as long as this process lives."""
    path = f"{exec_root}/{protocol.LOCK_NAME}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"wharfie-supervisor: {path} is held by another supervisor\n")
        raise SystemExit(LOCKED) from None
    os.ftruncate(fd, 0)
    os.write(fd, b"%d\n" % os.getpid())


def _raise_descriptor_limit() -> None:
    """Every task needs four or five descriptors. Children get the old limit back from no one:
    the OCI runtime sets the container's own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _handle_signals(loop: Loop, supervisor: Supervisor) -> None:
    """SIGCHLD wakes the loop; SIGTERM and SIGINT only end a supervisor without tasks."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def on_signal(_events: int) -> None:
        seen = os.read(read_end, 4096)
        if signal.SIGCHLD in seen:
            supervisor.on_child_signal()
        if signal.SIGTERM in seen or signal.SIGINT in seen:
            supervisor.is_shutting_down = True
            supervisor.leave_if_done()

    loop.watch(read_end, READ, on_signal)


if __name__ == "__main__":
    main()
