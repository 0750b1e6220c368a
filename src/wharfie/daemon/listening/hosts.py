"""Where to listen: `-H` values to listeners. Source: seeds B1–B7, daemon.md §6."""

from __future__ import annotations

import grp
import logging
import os
import posixpath
from collections.abc import Mapping, Sequence

from wharfie.daemon.config import Config, ConfigError
from wharfie.daemon.listening.activation import Passed, bound_to, close_unused, select
from wharfie.model.tls import TlsSource
from wharfie.web import FdListener, Listener, TcpListener, UnixListener

_log = logging.getLogger(__name__)
_PORT = 2375
_TLS_PORT = 2376
_SOCKET = "/var/run/docker.sock"


def parse_host(
    text: str, tls: TlsSource | None, *, gid: int = -1, passed: Sequence[Passed] = ()
) -> list[Listener]:
    """Turn one `-H` value into listeners; only `fd://` can mean more than one.

    Raises:
        ConfigError: `invalid bind address (…): …`, in dockerd's words.
    """
    scheme, separator, rest = (text.strip() or f"unix://{_SOCKET}").partition("://")
    if not separator:
        scheme, rest = "tcp", text.strip()
    try:
        match scheme:
            case "unix":
                return [UnixListener(path=_path(text, rest), gid=gid)]
            case "tcp":
                return [_tcp(rest, tls)]
            case "fd":
                return [
                    FdListener(fd=one.fd, name=one.name, tls=tls) for one in select(rest, passed)
                ]
            case _:
                raise ConfigError(f"unsupported proto '{scheme}'")  # noqa: TRY301 - gets its prefix
    except ConfigError as error:
        raise ConfigError(f"invalid bind address ({text}): {error}") from None


def _path(text: str, rest: str) -> str:
    """The path after `unix://`, never relative: two slashes are common, and meant as three."""
    path = posixpath.normpath(f"/{(rest or _SOCKET).lstrip('/')}")
    if "\0" in path or path == "/":
        raise ConfigError("not the path of a socket")
    if rest and not rest.startswith("/"):
        _log.warning("%s has no leading slash in its path: taken for unix://%s", text, path)
    return path


def _tcp(rest: str, tls: TlsSource | None) -> TcpListener:
    if "/" in rest or "?" in rest or "#" in rest:
        raise ConfigError("should not contain a path element")
    host, port = _split(rest)
    default = _TLS_PORT if tls else _PORT
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"invalid port: {port}")
    fallback = "localhost" if tls and not rest else "127.0.0.1"
    return TcpListener(host=host or fallback, port=int(port) if port else default, tls=tls)


def _split(address: str) -> tuple[str, str]:
    """Host and port of "host:port", "[v6]:port", ":port", "host" or a bare v6 address."""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigError("missing ']' or a colon behind it")
        return host, rest.removeprefix(":")
    if address.count(":") > 1:
        return address, ""
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
            _log.warning("could not change group of the unix socket to docker: no such group")
            return -1
        raise ConfigError(f"group {config.group} not found") from None


def _already_open(listener: Listener, bound: Mapping[object, Passed]) -> Listener:
    """The service manager's own socket where it is bound to that very address.

    A `docker.socket` unit holds /run/docker.sock, also when `hosts` say unix:///var/run/docker.sock
    and nobody says fd://.
    """
    name: object = None
    if isinstance(listener, UnixListener):
        name = os.path.realpath(listener.path)
    elif isinstance(listener, TcpListener):
        name = (listener.host, listener.port)
    passed = bound.get(name)
    if passed is None or isinstance(listener, FdListener):
        return listener
    tls = listener.tls if isinstance(listener, TcpListener) else None
    return FdListener(fd=passed.fd, name=passed.name, tls=tls)


def listeners(
    config: Config, tls: TlsSource | None, passed: Sequence[Passed] = ()
) -> list[Listener]:
    """All listeners, each spelling once; passed sockets nobody asked for are closed.

    Raises:
        ConfigError: an address cannot be read.
    """
    has_path = any(not text.strip() or text.startswith("unix") for text in config.hosts)
    gid = socket_group(config) if has_path else -1
    chosen: dict[str, Listener] = {}
    bound = bound_to(passed)
    for text in config.hosts:
        for parsed in parse_host(text, tls, gid=gid, passed=passed):
            one = _already_open(parsed, bound)
            key = f"fd {one.fd}" if isinstance(one, FdListener) else one.url
            chosen.setdefault(key, one)
    close_unused(passed, {one.fd for one in chosen.values() if isinstance(one, FdListener)})
    return list(chosen.values())
