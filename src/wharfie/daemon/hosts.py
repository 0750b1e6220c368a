"""Where to listen: `-H` values to listeners. Source: seeds B1–B7, daemon.md §6."""

from __future__ import annotations

import grp
import os
import posixpath
import ssl

from wharfie.daemon.config import Config, ConfigError
from wharfie.model.tls import TlsSource
from wharfie.web import Listener, TcpListener, UnixListener

_PORT = 2375
_TLS_PORT = 2376


def parse_host(text: str, tls: TlsSource | None, *, gid: int = -1) -> Listener:
    """Turn one `-H` value into a listener.

    Raises:
        ConfigError: `invalid bind address (…): …`, in dockerd's words.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    match scheme:
        case "unix":
            path = rest or "var/run/docker.sock"
            return UnixListener(path=posixpath.normpath(f"/{path.lstrip('/')}"), gid=gid)
        case "tcp":
            return _tcp(text, rest, tls)
        case "fd":
            raise ConfigError(
                f"invalid bind address ({text}): no sockets found via socket activation: make "
                "sure the service was started by systemd"
            )
        case _:
            raise ConfigError(f"invalid bind address ({text}): unsupported proto '{scheme}'")


def _tcp(text: str, rest: str, tls: TlsSource | None) -> TcpListener:
    if "/" in rest:
        raise ConfigError(f"invalid bind address ({text}): should not contain a path element")
    host, port = _split(rest)
    default = _TLS_PORT if tls else _PORT
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"invalid bind address ({text}): invalid port: {port}")
    return TcpListener(host=host or "127.0.0.1", port=int(port) if port else default, tls=tls)


def _split(address: str) -> tuple[str, str]:
    """Host and port of "host:port", "[v6]:port", ":port" or "host"."""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = address.partition(":")
    return host, port


def socket_group(config: Config) -> int:
    """Group of the unix socket: -1 where the default group does not exist.

    Raises:
        ConfigError: a group that was asked for does not exist.
    """
    if config.group.isdecimal():
        return int(config.group)
    try:
        return grp.getgrnam(config.group).gr_gid
    except KeyError:
        if config.group == "docker":
            return -1
        raise ConfigError(f"group {config.group} not found") from None


def listeners(config: Config, tls: TlsSource | None) -> list[Listener]:
    """All listeners, each address once.

    Raises:
        ConfigError: an address cannot be read.
    """
    gid = socket_group(config)
    chosen: dict[str, Listener] = {}
    for text in config.hosts:
        listener = parse_host(text, tls, gid=gid)
        key = listener.url
        if isinstance(listener, UnixListener):
            key = os.path.realpath(listener.path)
        chosen.setdefault(key, listener)
    return list(chosen.values())


def insecure_warnings(chosen: list[Listener]) -> list[str]:
    """What `docker info` warns of: TCP without client certificates (seeds B9)."""
    warnings = []
    for listener in chosen:
        if not isinstance(listener, TcpListener):
            continue
        if listener.tls is None:
            warnings.append(
                f"WARNING: API is accessible on http://{listener.host}:{listener.port} without "
                "encryption.\n         Access to the remote API is equivalent to root access on "
                "the host. Refer\n         to the 'Docker daemon attack surface' section in the "
                "documentation for\n         more information: "
                "https://docs.docker.com/go/attack-surface/"
            )
        elif listener.tls.context.verify_mode is not ssl.CERT_REQUIRED:
            warnings.append(
                f"WARNING: API is accessible on https://{listener.host}:{listener.port} without "
                "TLS client verification.\n         Access to the remote API is equivalent to "
                "root access on the host. Refer\n         to the 'Docker daemon attack surface' "
                "section in the documentation for\n         more information: "
                "https://docs.docker.com/go/attack-surface/"
            )
    return warnings
