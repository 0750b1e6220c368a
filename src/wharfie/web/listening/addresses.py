"""Addresses a server can be told to listen on."""

from __future__ import annotations

import socket

from msgspec import Struct

from wharfie.model.tls import TlsSource


class UnixListener(Struct, frozen=True, kw_only=True):
    """A path; `gid` -1 keeps the process's group."""

    path: str
    mode: int = 0o660
    gid: int = -1

    @property
    def url(self) -> str:
        """As configured."""
        return f"unix://{self.path}"


class TcpListener(Struct, frozen=True, kw_only=True):
    """A host and port; port 0 takes a free one. `tls` None is plain.

    A name is every address it has; "::" is IPv4 too.
    """

    host: str
    port: int
    tls: TlsSource | None = None

    @property
    def url(self) -> str:
        """As configured."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class FdListener(Struct, frozen=True, kw_only=True):
    """An open, listening socket (systemd's socket activation); the server owns it from here on.

    Attributes:
        name: what the service manager calls it, "" for nothing.
        tls: for a TCP socket; on a unix socket nobody encrypts.
    """

    fd: int
    name: str = ""
    tls: TlsSource | None = None

    @property
    def url(self) -> str:
        """As configured."""
        return f"fd://{self.name or self.fd}"


Listener = UnixListener | TcpListener | FdListener


def tls_of(listener: Listener, opened: socket.socket) -> TlsSource | None:
    """What encrypts connections to one of a listener's sockets."""
    if isinstance(listener, UnixListener) or opened.family == socket.AF_UNIX:
        return None
    return listener.tls


def spell_address(address: object) -> str:
    """Spell a socket's name or peer: `192.0.2.1:80`, `[::1]:80`, a path, "" for none."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = str(address[0]), address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(address, bytes):
        return address.decode(errors="replace")
    return address if isinstance(address, str) else ""
