"""Descriptors: passing them over sockets, pipe sizes, sealed copies, terminal sizes.

Sources: unix(7) SCM_RIGHTS, fcntl(2) F_SETPIPE_SZ and F_ADD_SEALS, memfd_create(2),
ioctl_tty(2).
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Iterable, Iterator, Sequence

MAX_DESCRIPTORS = 253
"""SCM_MAX_FD: the most one message can carry."""

_CONTROL_SPACE = socket.CMSG_SPACE(MAX_DESCRIPTORS * 4)
_F_ADD_SEALS = 1033
_ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8
_F_SETPIPE_SZ = 1031
_F_GETPIPE_SZ = 1032


def send_message(connection: socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
    """Send one packet with descriptors; BlockingIOError when the peer's queue is full."""
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    connection.sendmsg([data], control, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive_message(connection: socket.socket, buffer: bytearray) -> tuple[bytes, list[int]]:
    """Receive one packet; b"" at the end. The caller closes the descriptors.

    Raises:
        BlockingIOError: nothing there.
        OSError: EMSGSIZE when packet or descriptors did not fit; none is left open.
    """
    size, control, flags, _ = connection.recvmsg_into(
        [buffer], _CONTROL_SPACE, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
    )
    fds = array.array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(fds)
        raise OSError(90, "message too long")
    return bytes(memoryview(buffer)[:size]), list(fds)


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors; one that is closed already is no error."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def copy_sealed(path: str) -> int:
    """An unchangeable copy of a file in memory, to be executed through `/proc/self/fd`.

    The caller closes the descriptor.
    """
    with open(path, "rb") as source:
        copy = os.memfd_create(os.path.basename(path), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            while os.sendfile(copy, source.fileno(), None, 1 << 24):
                pass
            os.fchmod(copy, 0o755)
            fcntl.fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
        except OSError:
            os.close(copy)
            raise
    return copy


@contextlib.contextmanager
def unix_address(path: str) -> Iterator[str]:
    """An address for a path of any length, valid within the context.

    An address holds 107 bytes; a path below an open directory is always short enough.
    """
    directory = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def pipe_size(fd: int) -> int:
    """Bytes a pipe can hold."""
    return fcntl.fcntl(fd, _F_GETPIPE_SZ)


def resize_pipe(fd: int, size: int) -> bool:
    """Change what a pipe can hold; False when the system's limits do not allow it."""
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, size)
    except OSError:
        return False
    return True


def unread_bytes(fd: int) -> int:
    """How much can be read from a pipe, terminal or socket right now."""
    answer = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    count: int = struct.unpack("=i", answer)[0]
    return count


def set_terminal_size(fd: int, rows: int, columns: int) -> None:
    """Set the window size of a terminal; its foreground processes get SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))
