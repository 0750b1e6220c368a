"""The living name server, as the network driver talks to it.

It is started by the first container that asks names. It tells nothing back but which sockets it
lacks, so a message is a `send`; when it does not take them it is replaced, and the new one is told
everything again.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import wharfie
from wharfie.kernel.companion import spawn_companion
from wharfie.kernel.descriptors import close_all, unix_address
from wharfie.model.ids import ContainerId, NetworkId
from wharfie.model.network import Connection, Endpoint, PublishedPort, Resolving
from wharfie.resolver import protocol
from wharfie.resolver.protocol import Message

_PROGRAM = "import sys;sys.path[:0]=[{path!r}];from wharfie.resolver.main import main;main()"
_PATIENCE = 5.0
_BUFFER = 1 << 20
_log = logging.getLogger(__name__)

Sockets = Callable[[ContainerId], tuple[int, int]]
"""Opens the server's two sockets inside a container's sandbox; OSError when it is gone."""


class NameService:
    """Tells the name server who is where; safe to use from several threads.

    Args:
        exec_root: where its socket and log are.
        everybody: what is connected now.
        is_internal: tells whether a network has no way outside.
        sockets: opens sockets anew, for a server that replaces a dead one.
        relay_socket: a duplicate of a relayed port's socket.
    """

    def __init__(
        self,
        exec_root: str,
        *,
        everybody: Callable[[], Mapping[ContainerId, Connection]],
        is_internal: Callable[[NetworkId], bool],
        sockets: Sockets,
        relay_socket: Callable[[PublishedPort], int],
    ) -> None:
        self._exec_root = exec_root
        self._everybody = everybody
        self._is_internal = is_internal
        self._sockets = sockets
        self._relay_socket = relay_socket
        self._connection: socket.socket | None = None
        self._pid = 0
        self._lock = threading.RLock()

    def fileno(self) -> int:
        """The connection's descriptor, to be watched for its end; -1 without one."""
        connection = self._connection
        return -1 if connection is None else connection.fileno()

    def close(self) -> None:
        """Let go; a server nobody needs ends."""
        with self._lock:
            if self._connection is None:
                return
            with contextlib.suppress(OSError):
                self._send({"type": "leave-if-idle"})
            self._connection.close()
            self._connection = None
            self._reap()

    def join(
        self, container_id: ContainerId, connection: Connection, fds: tuple[int, int] | None
    ) -> None:
        """A container is connected, or its connections changed.

        Args:
            container_id: whose.
            connection: all of it.
            fds: the server's sockets, when they are new; they are closed here.
        """
        try:
            if connection.resolving is None and not _has_names(connection):
                return
            self._tell(list(_messages(container_id, connection, self._is_internal)), fds)
        finally:
            close_all(fds or ())

    def part(self, container_id: ContainerId, endpoints: Iterable[Endpoint]) -> None:
        """A container left some networks."""
        named = [endpoint for endpoint in endpoints if endpoint.names]
        if named:
            self._tell([_leave(container_id, endpoint) for endpoint in named])

    def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """A container ended: nobody asks in its name, and it has no name."""
        messages = [_leave(container_id, one) for one in connection.endpoints.values() if one.names]
        if connection.resolving is not None:
            messages.append({"type": "close", "id": container_id})
        if messages:
            self._tell(messages)

    def relay(self, ports: Sequence[PublishedPort], target: Endpoint | None) -> None:
        """Serve relayed ports, or with another target; other ports are left out.

        Raises:
            OSError: a port is not held.
        """
        for port in ports:
            if port.relayed and target is not None:
                fd = self._relay_socket(port)
                try:
                    self._tell([_relay(port, target)], (fd,), kind="relay")
                finally:
                    close_all((fd,))

    def unrelay(self, ports: Iterable[PublishedPort]) -> None:
        """Serve them no more; others are left out."""
        relayed = [port for port in ports if port.relayed]
        if not relayed:
            return
        with self._lock:
            heard = self._tell([{"type": "unrelay", "ids": [_relay_id(one) for one in relayed]}])
            try:
                if heard:  # else another one was started, which never had them
                    self._receive()
            except OSError as error:
                _log.warning("the name server does not answer (%s): replaced", error)
                self._restart()

    def restore(self) -> None:
        """At start: find the living server, if anybody needs one, and tell it the truth."""
        with self._lock:
            found = self._find()
            needed = any(
                one.resolving is not None or any(port.relayed for port in one.ports)
                for one in self._everybody().values()
            )
            if (found is None or not self._retells(found)) and needed:
                self._spawn()
                self._retell()

    def revive(self) -> None:
        """Replace a server that ended; one that lives is left alone."""
        with self._lock:
            if self._connection is not None and not _has_ended(self._connection):
                return
            if self._connection is not None:
                _log.warning("the name server ended: another one is started")
                self._restart()

    def _tell(
        self, messages: list[Message], fds: tuple[int, ...] | None = None, *, kind: str = "sandbox"
    ) -> bool:
        """Say it, or all of it to another server; tells whether it was the living one."""
        with self._lock:
            if self._connection is None:
                self._spawn()
            try:
                for message in messages:
                    with_fds = fds if message["type"] == kind else None
                    self._send(message, with_fds or ())
            except OSError as error:
                _log.warning("the name server does not listen (%s): replaced", error)
                self._restart()
                return False
        return True

    def _restart(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._reap()
        found = self._find()
        if found is None or not self._retells(found):
            self._spawn()
            self._retell()

    def _retells(self, found: socket.socket) -> bool:
        """Tell a server that was found the truth; False when it was just about to end."""
        self._adopt(found)
        try:
            self._retell()
        except OSError as error:
            _log.info("the name server found is ending (%s)", error)
            found.close()
            self._connection = None
            return False
        return True

    def _retell(self) -> None:
        everybody = self._everybody()
        self._send({"type": "begin"})
        for container_id, connection in everybody.items():
            for message in _messages(container_id, connection, self._is_internal):
                self._send(message)
        relays = {}
        for connection in everybody.values():
            target = port_target(list(connection.endpoints.values()))
            for port in connection.ports:
                if port.relayed and target is not None:
                    relays[_relay_id(port)] = port, _relay(port, target)
                    self._send(relays[_relay_id(port)][1])
        self._send({"type": "settle"})
        answer = self._receive()
        for text in protocol.texts(answer, "relays"):
            port, message = relays[text]
            try:
                fd = self._relay_socket(port)
            except OSError as error:
                _log.warning("port %s is not served: %s", port.host_port, error)
                continue
            try:
                self._send(message, (fd,))
            finally:
                close_all((fd,))
        for text in protocol.texts(answer, "missing"):
            container_id = ContainerId(text)
            connection = everybody[container_id]
            try:
                fds = self._sockets(container_id)
            except OSError as error:
                _log.warning("no name server in sandbox of %s: %s", container_id, error)
                continue
            try:
                sandbox = next(_messages(container_id, connection, self._is_internal))
                self._send(sandbox, fds)
            finally:
                close_all(fds)

    def _send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        if self._connection is None:
            raise OSError(32, "not connected")
        data = protocol.encode(message)
        self._connection.settimeout(_PATIENCE)
        if fds:
            socket.send_fds(self._connection, [data], list(fds), socket.MSG_NOSIGNAL)
        else:
            self._connection.send(data, socket.MSG_NOSIGNAL)

    def _receive(self) -> Message:
        if self._connection is None:
            return {}
        self._connection.settimeout(_PATIENCE)
        data = self._connection.recv(protocol.MAX_MESSAGE)
        if not data:
            raise ConnectionResetError("the name server ended")
        return protocol.decode(data)

    def _find(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with unix_address(f"{self._exec_root}/{protocol.SOCKET_NAME}") as address:
                connection.connect(address)
        except OSError:
            connection.close()
            return None
        return connection

    def _adopt(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._connection = connection

    def _spawn(self) -> None:
        assert wharfie.__file__ is not None
        program = _PROGRAM.format(path=os.path.dirname(os.path.dirname(wharfie.__file__)))
        command = [sys.executable, "-I", "-S", "-c", program, "--exec-root", self._exec_root]
        self._pid, ours = spawn_companion(command, f"{self._exec_root}/{protocol.LOG_NAME}")
        self._adopt(ours)

    def _reap(self) -> None:
        """A server we started and that ended is no zombie of ours."""
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG)[0]:
                    self._pid = 0


def _messages(
    container_id: ContainerId, connection: Connection, is_internal: Callable[[NetworkId], bool]
) -> Iterator[Message]:
    """What the server has to know of a container; the sandbox itself first."""
    endpoints = connection.endpoints
    if connection.resolving is not None:
        yield _sandbox(container_id, connection, connection.resolving, is_internal)
    for endpoint in endpoints.values():
        if endpoint.names:
            yield {
                "type": "member",
                "network": endpoint.network_id,
                "container": container_id,
                "names": endpoint.names,
                "addresses": [one for one in (endpoint.address, endpoint.ipv6_address) if one],
            }


def port_target(endpoints: Sequence[Endpoint]) -> Endpoint | None:
    """The endpoint that ports are published on: the first on a bridge with a way outside."""
    gateways = (one for one in endpoints if one.host_interface)
    return next((one for one in gateways if one.gateway or one.ipv6_gateway), None)


def _relay_id(port: PublishedPort) -> str:
    return f"{port.protocol}/{port.host_ip}/{port.host_port}"


def _relay(port: PublishedPort, target: Endpoint) -> Message:
    return {
        "type": "relay",
        "id": _relay_id(port),
        "host": _inner_address(port, target),
        "port": str(port.container_port),
        "allow": list(port.allow_from),
    }


def _inner_address(port: PublishedPort, target: Endpoint) -> str:
    """Where a relay goes: to the same family if it can."""
    addresses = [target.address, target.ipv6_address]
    if ":" in port.host_ip:
        addresses.reverse()
    return next((one for one in addresses if one), "")


def _sandbox(
    container_id: ContainerId,
    connection: Connection,
    resolving: Resolving,
    is_internal: Callable[[NetworkId], bool],
) -> Message:
    endpoints = connection.endpoints
    named = {one.network_id: name for name, one in endpoints.items() if one.names}
    gateways = [one.gateway for one in endpoints.values() if one.gateway]
    host = resolving.gateway.split(",") if resolving.gateway else gateways[:1]
    servers, forward = resolving.servers, True
    if all(is_internal(one.network_id) for one in endpoints.values()):
        # Not even the host's resolver may carry a question out; only who is inside is asked.
        servers = [one for one in servers if _is_inside(one, endpoints.values())]
        forward = bool(servers)
    return {
        "type": "sandbox",
        "id": container_id,
        "networks": named,
        "links": resolving.links,
        "servers": servers,
        "bare": resolving.bare,
        "forward": forward,
        "host": host,
    }


def _is_inside(server: str, endpoints: Iterable[Endpoint]) -> bool:
    """Whether a server is in one of these endpoints' own subnets."""
    try:
        address = ipaddress.ip_address(server)
    except ValueError:
        return False
    own = [(one.address, one.prefix) for one in endpoints if one.address]
    own += [(one.ipv6_address, one.ipv6_prefix) for one in endpoints if one.ipv6_address]
    return any(
        address in ipaddress.ip_network((text, prefix), strict=False) for text, prefix in own
    )


def _leave(container_id: ContainerId, endpoint: Endpoint) -> Message:
    return {"type": "leave", "network": endpoint.network_id, "container": container_id}


def _has_names(connection: Connection) -> bool:
    return any(endpoint.names for endpoint in connection.endpoints.values())


def _has_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
