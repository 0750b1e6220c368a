"""The zygote: imports everything once, then forks a worker on each request.

It has one thread, reads no archive and no job, and knows nothing but descriptors. It ends with
the daemon, however that ends: its socket reports end-of-file. Workers end with the zygote.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from wharfie.jail import worker
from wharfie.jail.confine import Confinement
from wharfie.jail.protocol import (
    Exited,
    Fork,
    Forked,
    ForkFailed,
    FromZygote,
    Ready,
    decode_fork,
    encode,
)
from wharfie.kernel import privileges

_MAX_REQUEST = 4096
_MAX_DESCRIPTORS = 4


class Zygote:
    """Serves fork requests on one socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._confinement = Confinement()
        self._pid = os.getpid()
        self._poll = select.epoll()
        self._poll.register(connection, select.EPOLLIN)
        self._workers: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        """Serve until the daemon is gone."""
        self._send(Ready())
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._workers:
                    self._reap(fd)
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(
            self._connection, _MAX_REQUEST, _MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        try:
            self._fork(decode_fork(data), descriptors)
        finally:
            for fd in descriptors:
                os.close(fd)
        return True

    def _fork(self, request: Fork, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._send(ForkFailed(request.id, os.strerror(error.errno or 0)))
            return
        if pid == 0:
            _be_worker(self._confinement, self._pid, descriptors)
        pidfd = os.pidfd_open(pid)
        self._workers[pidfd] = (pid, request.id)
        self._poll.register(pidfd, select.EPOLLIN)
        self._send(Forked(request.id), pidfd)

    def _reap(self, pidfd: int) -> None:
        pid, job = self._workers.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._send(Exited(job, os.waitstatus_to_exitcode(status)))

    def _send(self, message: FromZygote, *descriptors: int) -> None:
        socket.send_fds(self._connection, [encode(message)], list(descriptors))


def main(fd: int) -> NoReturn:
    """Entry point: serve the socket with this descriptor, then exit."""
    os.setsid()  # a Ctrl-C meant for the daemon does not reach us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    privileges.set_name("wharfie-zygote")
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        Zygote(socket.socket(fileno=fd)).run()
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
    sys.exit(0)


def _be_worker(confinement: Confinement, zygote: int, descriptors: list[int]) -> NoReturn:
    code = 1
    try:
        worker.run(confinement, zygote, descriptors)
        code = 0
    finally:
        os._exit(code)
