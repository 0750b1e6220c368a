"""Opening all listeners of a server at once: each address once, all or none.

Inherited sockets come first, for they are there already; then paths, then TCP. An address that
is open by another spelling is left out with a line in the log, also one that a wildcard covers.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec import Struct

from wharfie.web.errors import ListenError
from wharfie.web.listening.addresses import (
    FdListener,
    Listener,
    TcpListener,
    UnixListener,
    spell_address,
)
from wharfie.web.listening.sockets import BACKLOG, open_fd, open_tcp, open_unix, resolve

_log = logging.getLogger(__name__)

_ANY_IPV4 = "0.0.0.0"  # noqa: S104 - compared with, not bound
_ANY_IPV6 = "::/0"
"""How a wildcard that does not take in IPv4 is called here, unlike "::"."""

Check = Callable[[Listener, socket.socket], None]
"""Looks at a bound socket before anybody can connect; refuses by raising ListenError."""


class Opened(Struct, frozen=True):
    """A listener and its sockets, which listen; clients wait until they are served."""

    listener: Listener
    sockets: list[socket.socket]


def open_all(listeners: Iterable[Listener], *, check: Check | None = None) -> list[Opened]:
    """Open all addresses; clients can connect and wait from here on.

    Args:
        listeners: in any order.
        check: asked for every socket.

    Raises:
        ListenError: an address cannot be had; nothing is left open.
    """
    opening = _Opening(check)
    try:
        for one in sorted(listeners, key=_turn):
            opening.add(one)
        for opened in opening.done:
            for each in opened.sockets:
                each.setblocking(False)
                each.listen(BACKLOG)
    except BaseException:
        close_all(opening.done)
        raise
    return opening.done


def close_all(done: Iterable[Opened]) -> None:
    """Close sockets nobody will serve, and unlink the paths that were made for them."""
    for opened in done:
        for each in opened.sockets:
            each.close()
        if opened.sockets and isinstance(opened.listener, UnixListener):
            with suppress(FileNotFoundError):
                os.unlink(opened.listener.path)


def _turn(listener: Listener) -> int:
    """Which come first: a wildcard has to be open before the addresses it takes in."""
    match listener:
        case FdListener():
            return 0
        case UnixListener():
            return 1
        case TcpListener():
            return {"::": 2, _ANY_IPV4: 3}.get(listener.host, 4)


class _Opening:
    """What is open so far."""

    def __init__(self, check: Check | None) -> None:
        self._check = check
        self._names: list[object] = []
        self.done: list[Opened] = []

    def add(self, listener: Listener) -> None:
        opened = Opened(listener, [])
        self.done.append(opened)
        for one in self._open(listener):
            opened.sockets.append(one)
            if self._check is not None:
                self._check(listener, one)
            self._names.append(_name_of(one))
        if not opened.sockets:
            self.done.remove(opened)

    def _open(self, listener: Listener) -> Iterable[socket.socket]:
        match listener:
            case FdListener():
                yield open_fd(listener)
            case UnixListener():
                if not self._has(os.path.realpath(listener.path), listener):
                    yield open_unix(listener)
            case TcpListener():
                yield from self._open_tcp(listener)

    def _open_tcp(self, listener: TcpListener) -> Iterable[socket.socket]:
        is_here = False
        for family, address in resolve(listener):
            if self._has(address[:2], listener):
                is_here = True
                continue
            one = open_tcp(listener, family, address)
            if one is not None:
                is_here = True
                yield one
        if not is_here:
            raise ListenError(f"cannot listen on {listener.url}: this machine has no such address")

    def _has(self, name: object, listener: Listener) -> bool:
        for other in self._names:
            if other == name or _covers(other, name):
                spelled = spell_address(other)
                _log.warning("%s is open already as %s: left out", listener.url, spelled)
                return True
        return False


def _name_of(opened: socket.socket) -> object:
    name = opened.getsockname()
    if not isinstance(name, tuple):
        return os.path.realpath(os.fsdecode(name)) if name else opened
    if opened.family == socket.AF_INET6 and name[0] == "::":
        only = opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        return (_ANY_IPV6 if only else "::", name[1])
    return name[:2]


def _covers(other: object, name: object) -> bool:
    """Tell whether a wildcard address takes in another; "::" takes in both families."""
    if not (isinstance(other, tuple) and isinstance(name, tuple)):
        return False
    if other[1] != name[1] or not other[1]:
        return False
    is_ipv6 = ":" in str(name[0])
    return other[0] in ("::", _ANY_IPV6 if is_ipv6 else _ANY_IPV4)
