"""TLS listeners: identity, half-close in both directions, streams, and wrong clients."""

import asyncio
import hashlib
import os
import select
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest

from support.http_certs import certificates
from support.http_serving import connected, read_all, read_head, read_reply, serving
from support.http_tls import TlsClient
from wharfie.web import Hijack, Limits, Response, Stream, TcpListener

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
TAKE = b"POST /%b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


class App:
    def __init__(self):
        self.callers = []
        self.cancelled = threading.Event()
        self.taken = None
        self.has_taken = threading.Event()

    def __call__(self, request):
        self.callers.append(request.caller)
        return getattr(self, "on_" + request.path.strip("/"))(request)

    def on_ping(self, request):
        return Response(200, b"OK")

    def on_large(self, request):
        async def chunks():
            for _ in range(200):
                yield b"y" * 100_000

        return Stream(chunks())

    def on_stream(self, request):
        async def chunks():
            try:
                yield b"first"
                await asyncio.sleep(30)
            finally:
                self.cancelled.set()

        return Stream(chunks())

    async def on_echo(self, request):
        return Response(200, await request.body.read(limit=10_000_000))

    def on_take(self, request):
        async def take(fd, head):
            self.taken = socket.socket(fileno=os.dup(fd))
            self.taken.setblocking(True)
            self.taken.settimeout(5)
            self.head = head
            self.has_taken.set()

        return Hijack(take, "application/x")


@pytest.fixture
def app():
    one = App()
    yield one
    if one.taken is not None:
        one.taken.close()


@contextmanager
def tls_server(app, *, verify=False, limits=None):
    listener = TcpListener(host="127.0.0.1", port=0, tls=certificates().source(verify=verify))
    with serving(app, [listener], limits=limits) as state:
        app.server = lambda: state
        yield ("127.0.0.1", state.port)


@contextmanager
def tls_client(address, **options):
    with connected(address) as raw:
        yield TlsClient(raw, certificates().client_context(**options))


def test_requests_and_large_streams_pass(app):
    with tls_server(app) as address, tls_client(address) as client:
        client.sendall(GET % b"/ping" + GET % b"/ping")
        _, _, body, rest = read_reply(client)
        assert (body, read_reply(client, rest)[2]) == (b"OK", b"OK")
        client.sendall(GET % b"/large")
        assert len(read_reply(client)[2]) == 20_000_000
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n")
        client.sendall(b"z" * 3_000_000)
        assert read_reply(client)[2] == b"z" * 3_000_000


def test_a_verified_client_is_identified(app):
    with tls_server(app, verify=True) as address:
        with tls_client(address, identify=True) as client:
            client.sendall(GET % b"/ping")
            read_reply(client)
        caller = app.callers[0]
        assert caller.transport == "tls"
        assert caller.subject == "CN=alice,O=Acme\\, Inc."
        assert len(caller.fingerprint) == 64
        assert int(caller.serial, 16) > 0


def test_a_client_without_certificate_is_anonymous_or_refused(app):
    with tls_server(app) as address, tls_client(address, identify=True) as client:
        client.sendall(GET % b"/ping")
        read_reply(client)
        assert (app.callers[0].subject, app.callers[0].fingerprint) == ("", "")
    with tls_server(app, verify=True) as address:
        with suppress(ssl.SSLError, OSError), tls_client(address) as client:
            client.sendall(GET % b"/ping")
            assert client.recv(100) == b""
        assert len(app.callers) == 1


def test_plain_http_to_a_tls_port_is_told(app):
    with tls_server(app) as address, connected(address) as client:
        client.sendall(GET % b"/ping")
        assert read_all(client) == (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        )
    assert app.callers == []


def test_a_handshake_that_never_ends_is_cut(app):
    with tls_server(app, limits=Limits(head_timeout=0.3)) as address, connected(address) as client:
        client.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        try:
            data = client.recv(10)
        except ConnectionResetError:
            data = b""
        assert data == b""
        assert time.monotonic() - began < 4


def test_garbage_after_a_handshake_byte_is_survived(app):
    with tls_server(app) as address:
        with connected(address) as client:
            client.sendall(b"\x16" + os.urandom(3000))
            with suppress(ConnectionResetError):
                read_all(client)
        with tls_client(address) as client:
            client.sendall(GET % b"/ping")
            assert read_reply(client)[0] == 200


@pytest.mark.parametrize("how", ["close_notify", "close"])
def test_a_leaving_client_cancels_its_stream(app, how):
    with tls_server(app) as address, tls_client(address) as client:
        client.sendall(GET % b"/stream")
        read_head(client)
        if how == "close":
            client.raw.close()
        else:
            client.end_writing()
        assert app.cancelled.wait(2)


def test_an_answer_follows_the_clients_close_notify(app):
    with tls_server(app) as address, tls_client(address) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        client.end_writing()
        assert read_all(client).endswith(b"hi")


@pytest.fixture
def taken(app):
    with tls_server(app) as address, tls_client(address) as client:
        client.sendall(TAKE % b"take" + b"early")
        head, rest = read_head(client)
        assert head.startswith(b"HTTP/1.1 101 UPGRADED")
        assert rest == b""
        assert app.has_taken.wait(2)
        assert app.head == b"early"
        yield client, app.taken


def test_hijacked_bytes_flow_both_ways(taken):
    client, taker = taken
    client.sendall(b"up")
    assert taker.recv(10) == b"up"
    taker.sendall(b"down")
    assert client.recv(10) == b"down"


def test_output_goes_on_after_the_clients_half_close(taken):
    client, taker = taken
    client.sendall(b"last words")
    client.end_writing()
    assert read_all(taker) == b"last words"
    taker.sendall(b"answer")
    assert client.recv(10) == b"answer"
    taker.close()
    assert client.recv(10) == b""
    assert client.clean_end


def test_a_bare_fin_counts_as_half_close(taken):
    client, taker = taken
    client.sendall(b"x")
    client.raw.shutdown(socket.SHUT_WR)
    assert read_all(taker) == b"x"
    taker.sendall(b"answer")
    assert client.recv(10) == b"answer"


def test_input_goes_on_after_the_takers_half_close(taken):
    client, taker = taken
    taker.sendall(b"done")
    taker.shutdown(socket.SHUT_WR)
    assert client.recv(10) == b"done"
    assert client.recv(10) == b""
    assert client.clean_end
    # A Python client cannot write after the server's close_notify was read; its FIN must pass.
    client.raw.shutdown(socket.SHUT_WR)
    assert read_all(taker) == b""


def test_input_in_flight_passes_the_takers_half_close(taken):
    client, taker = taken
    taker.shutdown(socket.SHUT_WR)
    time.sleep(0.1)
    # Not having read the server's close_notify, the client still writes.
    client.sendall(b"late")
    client.sendall(b"r")
    client.end_writing()
    assert read_all(taker) == b"later"


def test_a_taker_that_is_gone_ends_the_connection(taken):
    client, taker = taken
    taker.close()
    assert client.recv(10) == b""
    assert client.clean_end


def test_a_client_that_is_gone_ends_the_takers_input(taken):
    client, taker = taken
    client.raw.close()
    assert read_all(taker) == b""


def test_megabytes_pass_with_slow_readers_on_both_sides(taken):
    client, taker = taken
    data = os.urandom(6_000_000)
    received = []

    def shovel():
        taker.sendall(data)
        taker.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=shovel)
    sender.start()
    time.sleep(0.1)
    received.append(read_all(client))
    sender.join()
    assert received == [data]


def test_megabytes_of_input_pass_to_a_slow_taker(taken):
    client, taker = taken
    data = os.urandom(6_000_000)

    def send():
        for start in range(0, len(data), 100_000):
            client.sendall(data[start : start + 100_000])
        client.end_writing()

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.3)
    assert read_all(taker) == data
    sender.join()


def test_only_the_connections_of_a_revoked_client_are_cut(app):
    """Those taken over too; others go on, in the middle of a request."""
    with (
        tls_server(app, verify=True) as address,
        tls_client(address, identify=True) as idle,
        tls_client(address, identify=True) as busy,
    ):
        idle.sendall(GET % b"/ping")
        read_reply(idle)
        busy.sendall(TAKE % b"take")
        read_head(busy)
        assert app.has_taken.wait(2)
        server = app.server()
        fingerprint = app.callers[0].fingerprint
        others = server.run(server.server.cut_clients(lambda der: False))
        assert others == 0
        busy.sendall(b"still")
        assert app.taken.recv(10) == b"still"

        def is_revoked(der):
            return hashlib.sha256(der).hexdigest() == fingerprint

        assert server.run(server.server.cut_clients(is_revoked)) == 2
        assert read_all(app.taken) == b""
        for client in (idle, busy):
            with suppress(ConnectionResetError):
                assert client.recv(10) == b""


@pytest.mark.parametrize(("limit", "cut"), [(3, 3), (1000, 0)])
def test_unfinished_handshakes_beyond_the_limit_cost_the_oldest_their_place(app, limit, cut):
    """With the guard off (a limit never reached) all of them stay."""
    with ExitStack() as stack:
        limits = Limits(handshakes=limit)
        address = stack.enter_context(tls_server(app, limits=limits))
        waiting = [stack.enter_context(connected(address)) for _ in range(6)]
        for client in waiting:
            client.sendall(b"\x16\x03\x01")
        genuine = stack.enter_context(tls_client(address))
        genuine.sendall(GET % b"/ping")
        assert read_reply(genuine)[0] == 200
        readable, _, _ = select.select(waiting, [], [], 0.5 if cut else 0.2)
        # The genuine one needed a place too, and left it.
        assert len(readable) in (cut, cut + 1 if cut else 0)
        assert not set(readable) & set(waiting[-2:])


def test_a_plain_client_with_a_large_body_reads_why_it_is_refused(app):
    """Closing with unread input would reset the connection, and the answer with it."""
    with tls_server(app) as address, connected(address) as client:
        client.sendall(b"POST /load HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(90):
                client.sendall(b"x" * 100_000)
        assert b"Client sent an HTTP request to an HTTPS server." in read_all(client)


def test_a_session_resumed_after_the_end_of_its_certificate_is_refused(app, monkeypatch):
    """TLS 1.2 resumes without a look at dates; the twin before the end passes."""
    with tls_server(app, verify=True) as address:
        context = certificates().client_context(identify=True)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for clock, passes in ((None, True), (None, True), (lambda: 4e9, False)):
            if clock:
                monkeypatch.setattr(time, "time", clock)
            with (
                connected(address) as raw,
                suppress(ConnectionError, ssl.SSLError),
                context.wrap_socket(raw, server_hostname="localhost", session=session) as one,
            ):
                reused = one.session_reused
                session = one.session
                one.sendall(GET % b"/ping")
                answered = one.recv(15)
                assert answered == (b"HTTP/1.1 200 OK" if passes else b"")
        assert reused, "the last one was a resumed session"


@dataclass
class Changing:
    """A `TlsSource` whose context a test replaces."""

    context: ssl.SSLContext


@pytest.mark.parametrize("changes", [True, False])
def test_a_handshake_under_way_does_not_outlive_a_reload(app, changes):
    """A client revoked by the reload would slip in; without a change the same one is served."""
    source = Changing(certificates().server_context(verify=True))
    listener = TcpListener(host="127.0.0.1", port=0, tls=source)
    with serving(app, [listener]) as state, connected(("127.0.0.1", state.port)) as raw:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = certificates().client_context(identify=True)
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        raw.sendall(outgoing.read())
        while True:
            incoming.write(raw.recv(65536))
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
        if changes:
            source.context = certificates().server_context(verify=True)
        tls.write(GET % b"/ping")
        with suppress(ConnectionError):
            raw.sendall(outgoing.read())
            read_all_within(raw)
        assert len(app.callers) == (0 if changes else 1)


def read_all_within(raw, seconds=0.5):
    raw.settimeout(seconds)
    with suppress(TimeoutError):
        while raw.recv(65536):
            pass
