"""The name server's entry point.

    wharfie-resolver --exec-root DIR [--connection FD]

`--connection` is an end of a socket pair whose other end the starting daemon talks to at once;
later daemons come over `<exec-root>/resolver.sock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys

from wharfie.kernel import netns
from wharfie.kernel.descriptors import unix_address
from wharfie.kernel.privileges import keep_capabilities, last_capability, set_no_new_privileges
from wharfie.kernel.process import set_process_name
from wharfie.resolver import protocol
from wharfie.resolver.forwarding import PORT, Forwarder
from wharfie.resolver.service import NameServer
from wharfie.resolver.upstream import HostServers
from wharfie.supervisor.loop import READ, Loop

LOCKED = 75
"""Exit status when another name server has the exec-root (EX_TEMPFAIL)."""
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21


class Arguments:
    """The command line; `--port` and `--resolv-conf` are for tests."""

    def __init__(self, argv: list[str]) -> None:
        self.exec_root = ""
        self.connection = -1
        self.port = PORT
        self.resolv_conf = "/etc/resolv.conf"
        words = iter(argv)
        for word in words:
            value = next(words, "")
            if word == "--exec-root" and value:
                self.exec_root = os.path.abspath(value)
            elif word == "--connection" and value.isdecimal():
                self.connection = int(value)
            elif word == "--port" and value.isdecimal():
                self.port = int(value)
            elif word == "--resolv-conf" and value:
                self.resolv_conf = value
            else:
                raise SystemExit(f"wharfie-resolver: bad argument {word!r}")
        if not self.exec_root:
            raise SystemExit("wharfie-resolver: --exec-root is required")


def main() -> None:
    """Serve names until no container needs them any more."""
    arguments = Arguments(sys.argv[1:])
    lock = _lock(f"{arguments.exec_root}/{protocol.LOCK_NAME}")
    os.chdir("/")
    set_process_name("wharfie-resolve")
    _raise_descriptor_limit()
    loop = Loop()
    home = netns.open_current()
    forwarder = Forwarder(loop, home, port=arguments.port)
    server = NameServer(loop, forwarder, HostServers(arguments.resolv_conf))
    listener = _listen(f"{arguments.exec_root}/{protocol.SOCKET_NAME}")
    _drop_privileges()
    loop.watch(listener.fileno(), READ, lambda _: _accept(listener, server))
    _end_on_signal(loop)
    if arguments.connection >= 0:
        os.set_inheritable(arguments.connection, False)
        server.accept(socket.socket(fileno=arguments.connection))
    loop.run()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{arguments.exec_root}/{protocol.SOCKET_NAME}")
    os.close(lock)


def _accept(listener: socket.socket, server: NameServer) -> None:
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        server.accept(connection)


def _lock(path: str) -> int:
    """Hold the exec-root for as long as this process lives."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"wharfie-resolver: {path} is held by another name server\n")
        raise SystemExit(LOCKED) from None
    return fd


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        with unix_address(path) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(4)
    listener.setblocking(False)
    return listener


def _drop_privileges() -> None:
    """What reads strangers' packets needs namespaces, and nothing else of root's powers."""
    set_no_new_privileges()
    keep_capabilities((_CAP_NET_ADMIN, _CAP_SYS_ADMIN), last_capability())


def _raise_descriptor_limit() -> None:
    """Every sandbox needs two or three descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_on_signal(loop: Loop) -> None:
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.watch(read_end, READ, lambda _: loop.stop())


if __name__ == "__main__":
    main()
