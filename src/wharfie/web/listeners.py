"""Addresses a server listens on, and the identity of who connects there."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import ssl
import stat
import struct
from contextlib import closing, suppress

from msgspec import Struct

from wharfie.model.caller import Caller
from wharfie.model.tls import TlsSource
from wharfie.web.errors import ListenError

BACKLOG = 1024
_MAX_PATH = 107
_CREDENTIALS = struct.Struct("3i")
_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


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
    """A host and port; port 0 takes a free one. `tls` None is plain."""

    host: str
    port: int
    tls: TlsSource | None = None

    @property
    def url(self) -> str:
        """As configured."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class FdListener(Struct, frozen=True, kw_only=True):
    """An open, bound socket (systemd's socket activation); the server owns it from here on."""

    fd: int
    tls: TlsSource | None = None

    @property
    def url(self) -> str:
        """As configured."""
        return f"fd://{self.fd}"


Listener = UnixListener | TcpListener | FdListener


def open_sockets(listener: Listener) -> list[socket.socket]:
    """Open what `listener` names; several sockets where a host has several addresses.

    Raises:
        ListenError: the address is taken, wrong or not ours.
    """
    match listener:
        case UnixListener():
            return [_open_unix(listener)]
        case TcpListener():
            return _open_tcp(listener)
        case FdListener():
            return [_open_fd(listener)]


def _open_unix(listener: UnixListener) -> socket.socket:
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
    opened.setblocking(False)
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
    raise ListenError(f"another server answers on unix://{path}: stop it, or use another path")


def _open_tcp(listener: TcpListener) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(
            listener.host or None,
            listener.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except socket.gaierror as error:
        raise ListenError(f"cannot resolve {listener.url}: {error.strerror}") from error
    opened: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        one = socket.socket(family, kind, protocol)
        opened.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            one.bind(address)
        except OSError as error:
            for other in opened:
                other.close()
            raise ListenError(f"cannot listen on {listener.url}: {error.strerror}") from error
        one.setblocking(False)
    return opened


def _open_fd(listener: FdListener) -> socket.socket:
    try:
        opened = socket.socket(fileno=listener.fd)
    except OSError as error:
        raise ListenError(f"{listener.url} is not a socket: {error.strerror}") from error
    if opened.type != socket.SOCK_STREAM:
        opened.detach()
        raise ListenError(f"{listener.url} is not a stream socket")
    opened.setblocking(False)
    return opened


def identify(held: socket.socket, peer: object, listener: str, tls: ssl.SSLObject | None) -> Caller:
    """Tell who is at the other end of a fresh connection.

    Args:
        held: the connection's socket.
        peer: its peer name as the transport knows it.
        listener: the listener's URL.
        tls: the TLS state after the handshake, None on plain connections.
    """
    if held.family == socket.AF_UNIX:
        with closing(socket.socket(fileno=os.dup(held.fileno()))) as mine:
            raw = mine.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, gid = _CREDENTIALS.unpack(raw)
        return Caller(transport="unix", uid=uid, gid=gid, pid=pid, listener=listener)
    address = ""
    if isinstance(peer, tuple) and len(peer) >= 2:
        host, port = str(peer[0]), peer[1]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if tls is None:
        return Caller(transport="tcp", address=address, listener=listener)
    certificate = tls.getpeercert(binary_form=True)
    # A certificate nobody verified identifies nobody.
    if tls.context.verify_mode == ssl.CERT_NONE:
        certificate = None
    subject = spell_subject(tls.getpeercert() or {}) if certificate else ""
    fingerprint = hashlib.sha256(certificate).hexdigest() if certificate else ""
    return Caller(
        transport="tls",
        address=address,
        subject=subject,
        fingerprint=fingerprint,
        listener=listener,
    )


def spell_subject(certificate: object) -> str:
    """Spell the subject of a verified certificate as RFC 4514 does: last part first."""
    assert isinstance(certificate, dict)
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in relative)
        for relative in certificate.get("subject", ())
    ]
    return ",".join(reversed(parts))


def _escape(value: str) -> str:
    text = "".join(f"\\{c}" if c in ',+"\\<>;=' else c for c in value).replace("\0", "\\00")
    if text.startswith(("#", " ")):
        text = "\\" + text
    if text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1] + "\\ "
    return text
