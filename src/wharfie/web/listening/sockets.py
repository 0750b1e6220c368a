"""Opening one address: bound, not yet listening; taking over what is stale, naming who is live."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import closing, suppress

from wharfie.kernel.sockets import (
    Holder,
    listener_of_port,
    peer_credentials,
    program_of,
    remember_interface,
)
from wharfie.web.errors import ListenError
from wharfie.web.listening.addresses import FdListener, TcpListener, UnixListener

BACKLOG = 1024
_MAX_PATH = 107
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_KEEP_ALIVE = (
    (socket.TCP_KEEPIDLE, 30),
    (socket.TCP_KEEPINTVL, 15),
    (socket.TCP_KEEPCNT, 6),
)
"""A peer that vanished without a word is noticed after two minutes."""


def open_unix(listener: UnixListener) -> socket.socket:
    """Bind a path with its group and mode, in the place of a stale socket.

    Raises:
        ListenError: something else is there, a live server answers, or it cannot be made.
    """
    path = listener.path
    if len(os.fsencode(path)) > _MAX_PATH:
        raise ListenError(f"socket path is longer than {_MAX_PATH} bytes: {path}")
    _clear_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mask, not a later chmod, keeps strangers out between bind and chmod.
    mask = os.umask(0o177)
    try:
        opened.bind(path)
    except OSError as error:
        opened.close()
        raise ListenError(f"cannot listen on {listener.url}: {error.strerror}") from error
    finally:
        os.umask(mask)
    try:
        os.chown(path, -1, listener.gid)
        os.chmod(path, listener.mode)
    except OSError as error:
        opened.close()
        os.unlink(path)
        raise ListenError(f"cannot give {path} to its group: {error.strerror}") from error
    return opened


def _clear_stale(path: str) -> None:
    """Unlink a socket nobody answers on."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ListenError(f"cannot listen on unix://{path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path} exists and is not a socket: move it away")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ETIMEDOUT):
                raise ListenError(f"cannot probe {path}: {error}") from error
            raise _taken(f"unix://{path}", Holder()) from None
        pid = peer_credentials(probe).pid
        raise _taken(f"unix://{path}", Holder(pid, program_of(pid)))


def _taken(url: str, holder: Holder) -> ListenError:
    who = str(holder)
    return ListenError(
        f"cannot listen on {url}: {who} listens there already: stop it, or use another address"
    )


Address = tuple[str | int | bytes, ...]
"""As `socket` has it: host and port, more for IPv6."""


def resolve(listener: TcpListener) -> list[tuple[socket.AddressFamily, Address]]:
    """All addresses a TCP listener names.

    Raises:
        ListenError: its name has none.
    """
    try:
        found = socket.getaddrinfo(
            listener.host or None,
            listener.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else str(error)
        raise ListenError(f"cannot resolve {listener.url}: {why}") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def open_tcp(
    listener: TcpListener, family: socket.AddressFamily, address: Address
) -> socket.socket | None:
    """Bind one of the addresses `resolve` found; None when this machine does not have it.

    Raises:
        ListenError: the address is taken or may not be had.
    """
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return None
        raise ListenError(f"cannot listen on {listener.url}: {error.strerror}") from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # "::" alone means both families, as with BindIPv6Only=both of systemd and with Go.
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
    try:
        opened.bind(address)
        prepare_tcp(opened)
        _check_free(opened)
    except OSError as error:
        opened.close()
        if error.errno in _NOT_HERE:
            return None
        if error.errno == errno.EADDRINUSE:
            raise _taken(listener.url, listener_of_port(listener.port)) from None
        raise ListenError(f"cannot listen on {listener.url}: {error.strerror}") from error
    return opened


def _check_free(opened: socket.socket) -> None:
    """SO_REUSEADDR lets two programs bind an address; only `listen` finds the other one."""
    opened.listen(0)


def prepare_tcp(opened: socket.socket) -> None:
    """Set what accepted connections inherit: keep-alive probes, the interface they came by."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE:
        opened.setsockopt(socket.IPPROTO_TCP, option, value)
    remember_interface(opened)


def open_fd(listener: FdListener) -> socket.socket:
    """Take an inherited socket.

    Raises:
        ListenError: it is none, or not a listening stream socket.
    """
    try:
        opened = socket.socket(fileno=listener.fd)
    except OSError as error:
        raise ListenError(f"{listener.url} is not a socket: {error.strerror}") from error
    if opened.type != socket.SOCK_STREAM or opened.family not in (
        socket.AF_UNIX,
        socket.AF_INET,
        socket.AF_INET6,
    ):
        opened.detach()
        raise ListenError(f"{listener.url} is not a stream socket: use ListenStream=")
    if not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        opened.detach()
        raise ListenError(f"{listener.url} does not listen: it must not have Accept=yes")
    if isinstance(opened.getsockname(), bytes):
        opened.detach()
        raise ListenError(
            f"{listener.url} is an abstract socket, which has no permissions and which containers "
            "on the host's network reach: use a path"
        )
    opened.set_inheritable(False)
    if opened.family != socket.AF_UNIX:
        prepare_tcp(opened)
    return opened
