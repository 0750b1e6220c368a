"""A live server in a thread of its own, so that tests can be plain blocking clients."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager

import uvloop

from wharfie.web import Handler, Limits, Listener, ListenError, Server


class Serving:
    """The running server: its sockets, its loop, and the errors its loop was told of."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        self.server: Server
        self.addresses: list[object] = []
        self.errors: list[dict] = []

    @property
    def port(self) -> int:
        return next(a[1] for a in self.addresses if isinstance(a, tuple))

    def run(self, coroutine: Coroutine, timeout: float = 10.0) -> object:
        """Run a coroutine on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def call(self, function, *args):
        """Run a function on the server's loop."""

        async def run():
            return function(*args)

        return self.run(run())


@contextmanager
def serving(
    handler: Handler,
    listeners: Sequence[Listener],
    *,
    limits: Limits | None = None,
    expect_errors: bool = False,
) -> Iterator[Serving]:
    """Serve until the block ends; fails if a request's task failed unexpectedly."""
    state = Serving()
    ready = threading.Event()
    failure: list[BaseException] = []

    async def main() -> None:
        state.loop = asyncio.get_running_loop()
        state.loop.set_exception_handler(lambda _loop, context: state.errors.append(context))
        stop = asyncio.Event()
        state.stop = stop
        state.server = Server(handler, limits=limits)
        try:
            for listener in listeners:
                for one in await state.server.listen(listener):
                    state.addresses.append(one.getsockname())
        except (ListenError, OSError) as error:
            failure.append(error)
            ready.set()
            await state.server.close(timeout=0)
            return
        ready.set()
        await stop.wait()
        await state.server.close(timeout=2)

    thread = threading.Thread(target=lambda: uvloop.run(main()))
    thread.start()
    ready.wait(10)
    if failure:
        thread.join(10)
        raise failure[0]
    try:
        yield state
    finally:
        state.loop.call_soon_threadsafe(state.stop.set)
        thread.join(15)
        assert not thread.is_alive()
    if not expect_errors:
        assert state.errors == [], state.errors


@contextmanager
def connected(address: object, *, timeout: float = 5.0) -> Iterator[socket.socket]:
    """A blocking client socket to a path or a (host, port)."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        client.connect(address)
        yield client


def read_head(client, rest: bytes = b"") -> tuple[bytes, bytes]:
    """Read up to the end of an answer's head; returns it and what came behind."""
    while b"\r\n\r\n" not in rest:
        data = client.recv(65536)
        assert data, f"connection ended in a head: {rest!r}"
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    return head, rest


def read_reply(client, rest: bytes = b"") -> tuple[int, dict[str, str], bytes, bytes]:
    """Read one whole answer: status, fields, body, and what came behind."""
    head, rest = read_head(client, rest)
    lines = head.decode("latin-1").split("\r\n")
    fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
    status = int(lines[0].split()[1])
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            while b"\r\n" not in rest:
                rest += _more(client)
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            while len(rest) < length + 2:
                rest += _more(client)
            body += rest[:length]
            rest = rest[length + 2 :]
            if not length:
                return status, fields, body, rest
    length = int(fields.get("content-length", 0))
    while len(rest) < length:
        rest += _more(client)
    return status, fields, rest[:length], rest[length:]


def read_all(client) -> bytes:
    """Read until the other side ends its direction."""
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def _more(client) -> bytes:
    data = client.recv(65536)
    assert data, "connection ended in a body"
    return data
