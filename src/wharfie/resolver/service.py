"""The name server: what the daemon said, and questions answered by it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from wharfie.formats.network import dns
from wharfie.kernel.descriptors import close_all, receive_message, send_message
from wharfie.resolver import protocol
from wharfie.resolver.forwarding import Forwarder
from wharfie.resolver.names import Member, NetworkNames, View
from wharfie.resolver.protocol import Message
from wharfie.resolver.relay import Relay
from wharfie.resolver.sandbox import Reply, Sandbox
from wharfie.resolver.upstream import HostServers, servers_of
from wharfie.supervisor.loop import READ, Loop

HOST_NAMES = ("host.docker.internal", "gateway.docker.internal")


class NameServer:
    """All sandboxes and networks; told by one daemon at a time."""

    def __init__(self, loop: Loop, forwarder: Forwarder, hosts: HostServers) -> None:
        self._loop = loop
        self._forwarder = forwarder
        self._host_servers = hosts
        self._networks: dict[str, NetworkNames] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._relays: dict[str, Relay] = {}
        self._control: socket.socket | None = None
        self._unserved: set[str] = set()
        self._buffer = bytearray(protocol.MAX_MESSAGE)
        self._handlers: dict[str, Callable[[Message, list[int]], None]] = {
            "begin": self._begin,
            "sandbox": self._sandbox,
            "member": self._member,
            "leave": self._leave,
            "close": self._close,
            "settle": self._settle,
            "leave-if-idle": self._leave_if_idle,
            "relay": self._relay,
            "unrelay": self._unrelay,
        }

    def accept(self, connection: socket.socket) -> None:
        """A daemon came: it is the one to listen to, an older one is not."""
        self._hang_up()
        connection.setblocking(False)
        self._control = connection
        self._loop.watch(connection.fileno(), READ, lambda _: self.listen())

    def listen(self) -> None:
        """Take up everything the daemon said so far; before any question is answered."""
        while self._control is not None:
            try:
                data, fds = receive_message(self._control, self._buffer)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                close_all(fds)
                self._hang_up()
                return
            message = protocol.decode(data)
            for sandbox in self._sandboxes.values():
                sandbox.answers.clear()
            handler = self._handlers.get(protocol.text(message, "type"))
            if handler is None:
                close_all(fds)
            else:
                handler(message, fds)

    def _hang_up(self) -> None:
        if self._control is not None:
            self._loop.forget(self._control.fileno())
            self._control.close()
            self._control = None

    def _begin(self, _message: Message, fds: list[int]) -> None:
        close_all(fds)
        self._networks = {}
        for sandbox in self._sandboxes.values():
            sandbox.confirmed = False
        for relay in self._relays.values():
            relay.confirmed = False
        self._unserved = set()

    def _sandbox(self, message: Message, fds: list[int]) -> None:
        id_ = protocol.text(message, "id")
        sandbox = self._sandboxes.setdefault(id_, Sandbox(id_))
        sandbox.listen = self.listen
        networks = protocol.mapping(message, "networks")
        host = Member(HOST_NAMES, protocol.texts(message, "host"))
        sandbox.view = View(
            [self._network(key, name) for key, name in networks.items()],
            protocol.mapping(message, "links"),
            host,
        )
        asked = protocol.texts(message, "servers")
        sandbox.servers = servers_of(asked, host=False) if asked else None
        sandbox.forward = protocol.flag(message, "forward")
        sandbox.bare = protocol.flag(message, "bare")
        sandbox.confirmed = True
        if len(fds) == 2:
            sandbox.open(
                self._loop,
                fds[0],
                fds[1],
                lambda data, reply, limit: self._ask(sandbox, data, reply, limit),
            )
        else:
            close_all(fds)

    def _network(self, id_: str, name: str = "") -> NetworkNames:
        network = self._networks.get(id_)
        if network is None:
            network = self._networks[id_] = NetworkNames(name)
        if name:
            network.name = name
        return network

    def _member(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        try:
            member = Member(protocol.texts(message, "names"), protocol.texts(message, "addresses"))
        except ValueError:
            return
        network = self._network(protocol.text(message, "network"))
        network.put(protocol.text(message, "container"), member)

    def _leave(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        id_ = protocol.text(message, "network")
        network = self._networks.get(id_)
        if network is not None:
            network.drop(protocol.text(message, "container"))

    def _close(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        sandbox = self._sandboxes.pop(protocol.text(message, "id"), None)
        if sandbox is not None:
            sandbox.close(self._loop)

    def _settle(self, _message: Message, fds: list[int]) -> None:
        close_all(fds)
        for id_, sandbox in list(self._sandboxes.items()):
            if not sandbox.confirmed:
                del self._sandboxes[id_]
                sandbox.close(self._loop)
        for id_, relay in list(self._relays.items()):
            if not relay.confirmed:
                del self._relays[id_]
                relay.close()
        relays = sorted(self._unserved)
        missing = [id_ for id_, one in self._sandboxes.items() if not one.has_sockets]
        self._answer({"missing": missing, "relays": relays})

    def _answer(self, message: Message) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):
                send_message(self._control, protocol.encode(message))

    def _leave_if_idle(self, _message: Message, fds: list[int]) -> None:
        close_all(fds)
        if not self._sandboxes and not self._relays:
            self._loop.stop()

    def _relay(self, message: Message, fds: list[int]) -> None:
        """Serve a published port; one we have is told of its target anew."""
        id_ = protocol.text(message, "id")
        target = protocol.text(message, "host"), int(protocol.text(message, "port") or 0)
        known = self._relays.get(id_)
        if known is not None and not fds:
            known.move(target)
            known.confirmed = True
        elif len(fds) == 1:
            if known is not None:
                known.close()
            listener = socket.socket(fileno=fds[0])
            allow = protocol.texts(message, "allow")
            self._relays[id_] = Relay(self._loop, listener, target, allow)
            self._unserved.discard(id_)
        else:
            close_all(fds)
            self._unserved.add(id_)

    def _unrelay(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        for id_ in protocol.texts(message, "ids"):
            relay = self._relays.pop(id_, None)
            if relay is not None:
                relay.close()
        self._answer({"closed": True})

    def _ask(self, sandbox: Sandbox, data: bytes, reply: Reply, limit: int) -> None:
        view = sandbox.view
        try:
            query = dns.parse_query(data)
        except dns.DnsFormatError:
            if refusal := dns.format_error(data):
                reply(refusal)
            return
        records = view.resolve(query) if view is not None else None
        if records is not None:
            query.limit = limit or query.limit
            variants = [records[at:] + records[:at] for at in range(len(records))] or [records]
            answers = [dns.limited(query, variant) for variant in variants]
            if not limit:
                sandbox.remember(data, answers)
            sandbox.turn += 1
            reply(answers[sandbox.turn % len(answers)])
        else:
            self._pass_on(sandbox, query, data, reply, tcp=bool(limit))

    def _pass_on(
        self, sandbox: Sandbox, query: dns.Query, data: bytes, reply: Reply, *, tcp: bool
    ) -> None:
        servers = sandbox.servers if sandbox.servers is not None else self._host_servers.get()
        if not sandbox.forward or not servers:
            reply(dns.answer(query, [], code=dns.SERVER_FAILURE))
        elif "." not in query.name and query.name and not sandbox.bare:
            reply(dns.answer(query, [], code=dns.NAME_ERROR))
        else:
            self._forwarder.ask(
                query, data, servers, namespace=sandbox.namespace, tcp=tcp, done=reply
            )
