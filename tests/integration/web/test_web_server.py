"""The server on real sockets with raw clients."""

import asyncio
import os
import socket
import stat
import threading
import time
from contextlib import suppress

import pytest

from support.http_serving import connected, read_all, read_head, read_reply, serving
from wharfie.web import (
    FdListener,
    Hijack,
    HttpError,
    Limits,
    ListenError,
    Response,
    Stream,
    TcpListener,
    UnixListener,
)

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"


class App:
    """A handler with one route per thing a server must bear."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.finished = threading.Event()
        self.received = 0
        self.release = None
        self.callers = []

    def __call__(self, request):
        self.callers.append(request.caller)
        return getattr(self, "on_" + request.path.strip("/").replace("/", "_"))(request)

    def on_ping(self, request):
        return Response(200, b"OK", "text/plain")

    def on_crash(self, request):
        raise RuntimeError("bug")

    async def on_crash_later(self, request):
        await asyncio.sleep(0)
        raise RuntimeError("bug")

    async def on_slow(self, request):
        await asyncio.sleep(0.3)
        self.finished.set()
        return Response(200, b"slow")

    async def on_echo(self, request):
        return Response(200, await request.body.read(limit=100_000, timeout=1.0))

    async def on_count(self, request):
        async for chunk in request.body:
            self.received += len(chunk)
        return Response(200, b"%d" % self.received)

    async def on_lazy(self, request):
        await asyncio.sleep(0.5)
        async for chunk in request.body:
            self.received += len(chunk)
        return Response(200, b"%d" % self.received)

    def on_ignore(self, request):
        return Response(404, b"no")

    def on_stream(self, request):
        async def chunks():
            try:
                yield b"first\n"
                await asyncio.sleep(30)
            finally:
                self.cancelled.set()

        return Stream(chunks(), content_type="text/plain")

    def on_three(self, request):
        async def chunks():
            for word in (b"a", b"", b"b" * 20_000, b"c"):
                yield word

        return Stream(chunks())

    def on_silent(self, request):
        async def chunks():
            await asyncio.sleep(30)
            yield b""

        return Stream(chunks())

    def on_torn(self, request):
        async def chunks():
            yield b"some"
            raise RuntimeError("bug")

        return Stream(chunks())

    def on_flood(self, request):
        async def chunks():
            try:
                while True:
                    self.received += 65536
                    yield b"x" * 65536
            finally:
                self.cancelled.set()

        return Stream(chunks())

    def on_refused(self, request):
        raise HttpError(413, "too much")

    async def on_hijack(self, request):
        await request.body.read(limit=1000)

        async def take(fd, head):
            start_shouter(os.dup(fd), head)

        return Hijack(take, "application/x")


def start_shouter(fd, head):
    """Another party: answers in upper case, says bye at EOF, closes."""

    def run():
        with socket.socket(fileno=fd) as mine:
            mine.setblocking(True)
            if head:
                mine.sendall(head.upper())
            while data := mine.recv(65536):
                mine.sendall(data.upper())
            mine.sendall(b"bye")

    threading.Thread(target=run, daemon=True).start()


@pytest.fixture
def app():
    return App()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "d.sock")


@pytest.fixture
def served(app, path):
    with serving(app, [UnixListener(path=path), TcpListener(host="127.0.0.1", port=0)]) as state:
        yield state


@pytest.fixture(params=["unix", "tcp"])
def client(request, served, path):
    with connected(path if request.param == "unix" else ("127.0.0.1", served.port)) as one:
        yield one


def test_keep_alive_serves_one_after_the_other(client):
    for _ in range(3):
        client.sendall(GET % b"/ping")
        status, fields, body, rest = read_reply(client)
        assert (status, body, rest) == (200, b"OK", b"")
        assert fields["content-type"] == "text/plain"


def test_connection_close_is_honoured(client):
    client.sendall(b"GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert b"Connection: close" in read_all(client)


def test_pipelined_requests_are_answered_in_order(client):
    client.sendall(
        GET % b"/ping"
        + GET % b"/slow"
        + b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        + GET % b"/three"
        + GET % b"/ping"
    )
    rest = b""
    bodies = []
    for _ in range(5):
        _, _, body, rest = read_reply(client, rest)
        bodies.append(body)
    assert bodies == [b"OK", b"slow", b"abc", b"a" + b"b" * 20_000 + b"c", b"OK"]


def test_a_thousand_pipelined_requests_are_all_answered(client):
    sender = threading.Thread(target=client.sendall, args=((GET % b"/ping") * 1000,))
    sender.start()
    rest = b""
    for _ in range(1000):
        _, _, body, rest = read_reply(client, rest)
        assert body == b"OK"
    sender.join()


def test_a_client_that_only_asks_is_no_longer_read(served, path):
    with connected(path, timeout=0.5) as client:
        sent = 0
        with suppress(TimeoutError):
            while sent < 50_000_000:
                sent += client.send((GET % b"/ping") * 2000)
        assert sent < 20_000_000
        client.settimeout(5)
        rest = b""
        for _ in range(sent // len(GET % b"/ping")):
            _, _, body, rest = read_reply(client, rest)
            assert body == b"OK"


def test_byte_by_byte_requests_are_understood(client):
    for byte in b"\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n":
        client.sendall(bytes([byte]))
    for byte in b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n":
        client.sendall(bytes([byte]))
    assert read_reply(client)[2] == b"abcde"
    client.sendall(GET % b"/ping")
    assert read_reply(client)[2] == b"OK"


def test_who_speaks_tls_to_a_plain_address_hears_so_at_once(client):
    # The beginning of a ClientHello: no end of a head will ever come.
    client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(60, 90)))
    assert read_all(client).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_expect_continue_is_answered_when_the_body_is_wanted(client):
    client.sendall(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    head, rest = read_head(client)
    assert head == b"HTTP/1.1 100 Continue"
    assert rest == b""
    client.sendall(b"hi")
    assert read_reply(client)[2] == b"hi"


def test_expect_continue_is_not_answered_when_the_body_is_refused(client):
    client.sendall(
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    )
    status, fields, _, _ = read_reply(client)
    assert status == 404
    assert fields["connection"] == "close"


def test_an_unread_body_does_not_destroy_the_answer(client):
    client.sendall(b"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n")
    client.sendall(b"x" * 100_000)
    time.sleep(0.05)
    status, fields, body, _ = read_reply(client)
    assert (status, fields["connection"], body) == (404, "close", b"no")


def test_too_large_bodies_are_refused_early(client):
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n")
    assert read_reply(client)[0] == 413


def test_too_large_chunked_bodies_are_refused_when_seen(client):
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.sendall(b"186a1\r\n" + b"x" * 100_001)
    assert read_reply(client)[0] == 413


def test_a_body_that_never_ends_times_out(client):
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
    assert read_reply(client)[0] == 408


def test_malformed_chunks_are_told_and_end_the_connection(client):
    client.sendall(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1"
    )
    status, fields, _, _ = read_reply(client)
    assert (status, fields["connection"]) == (400, "close")
    assert client.recv(10) == b""


def test_a_slow_handler_slows_its_client(app, served, path):
    with connected(path, timeout=0.2) as client:
        size = 8_000_000
        client.sendall(b"POST /lazy HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        sent = 0
        with suppress(TimeoutError):
            while True:
                sent += client.send(b"x" * 65536)
        assert sent < 2_000_000
        client.settimeout(5)
        while sent < size:
            sent += client.send(b"x" * min(65536, size - sent))
        assert read_reply(client)[2] == b"8000000"


def test_a_large_upload_is_streamed(app, served, path):
    with connected(path) as client:
        client.sendall(b"POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(300):
            client.sendall(piece)
        client.sendall(b"0\r\n\r\n")
        assert read_reply(client)[2] == b"%d" % (300 * 65536)


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_and_closed(client, data):
    client.sendall(data)
    reply = read_all(client)
    assert reply.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))
    assert b"Connection: close" in reply


def test_huge_heads_are_refused(client):
    told = b""
    try:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
        for _ in range(100):
            client.sendall(b"a" * 65536)
            time.sleep(0.001)
        told = read_all(client)
    except ConnectionError:
        return
    assert told.startswith(b"HTTP/1.1 431 ")


def test_handler_bugs_answer_500_and_the_connection_lives_on(served, path, caplog):
    with connected(path) as client:
        client.sendall(GET % b"/crash")
        assert read_reply(client)[0] == 500
        client.sendall(GET % b"/ping")
        assert read_reply(client)[0] == 200


def test_bugs_in_tasks_answer_500_and_are_reported(app, path):
    with (
        serving(app, [UnixListener(path=path)], expect_errors=True) as served,
        connected(path) as client,
    ):
        client.sendall(GET % b"/crash_later")
        assert read_reply(client)[0] == 500
        client.sendall(GET % b"/ping")
        assert read_reply(client)[0] == 200
        assert "RuntimeError" in repr(served.errors[0]["exception"])


def test_a_torn_stream_is_not_ended_properly(app, path):
    with serving(app, [UnixListener(path=path)], expect_errors=True), connected(path) as client:
        client.sendall(GET % b"/torn")
        data = read_all(client)
        assert b"4\r\nsome\r\n" in data
        assert not data.endswith(b"0\r\n\r\n")


def test_http_errors_of_handlers_become_answers(client):
    client.sendall(GET % b"/refused")
    assert read_reply(client)[0] == 413


def test_heads_of_streams_are_flushed_before_any_chunk(client):
    client.sendall(GET % b"/silent")
    head, _ = read_head(client)
    assert b"Transfer-Encoding: chunked" in head


def test_streams_to_http_10_end_with_the_connection(client):
    client.sendall(b"GET /three HTTP/1.0\r\n\r\n")
    data = read_all(client)
    assert b"chunked" not in data
    assert data.endswith(b"\r\n\r\na" + b"b" * 20_000 + b"c")


def test_head_requests_get_no_body(client):
    client.sendall(b"HEAD /ping HTTP/1.1\r\nHost: h\r\n\r\n" + GET % b"/ping")
    head, rest = read_head(client)
    assert b"Content-Length: 2" in head
    assert read_reply(client, rest)[2] == b"OK"


@pytest.mark.parametrize("how", ["close", "half-close"])
def test_a_leaving_client_cancels_its_stream(app, served, path, how):
    with connected(path) as client:
        client.sendall(GET % b"/stream")
        read_head(client)
        if how == "half-close":
            client.shutdown(socket.SHUT_WR)
            assert app.cancelled.wait(2)
    assert app.cancelled.wait(2)


def test_a_leaving_client_does_not_cancel_a_plain_verb(app, served, path):
    with connected(path) as client:
        client.sendall(GET % b"/slow")
        time.sleep(0.05)
    assert app.finished.wait(2)


def test_a_half_closed_client_gets_its_answer(client):
    client.sendall(GET % b"/slow")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client).endswith(b"slow")


def test_a_client_that_does_not_read_stalls_only_its_own_stream(app, served, path):
    with connected(path) as stuck, connected(path) as other:
        stuck.sendall(GET % b"/flood")
        time.sleep(0.2)
        assert app.received < 5_000_000
        other.sendall(GET % b"/ping")
        assert read_reply(other)[2] == b"OK"
    assert app.cancelled.wait(2)


def test_an_upgrade_nobody_takes_is_answered_and_what_stands_behind_is_dropped(client):
    """It could be meant for the other protocol (h2c smuggling)."""
    client.sendall(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: x\r\nContent-Length: 2\r\n\r\nhi" + GET % b"/ping"
    )
    _, fields, body, rest = read_reply(client)
    assert (body, fields["connection"]) == (b"hi", "close")
    assert rest + read_all(client) == b""


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"])
def test_hijack_hands_over_body_head_and_both_half_closes(client, upgrade, chunked):
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: 2\r\n"
    body = b"2\r\n{}\r\n0\r\n\r\n" if chunked else b"{}"
    client.sendall(
        b"POST /hijack HTTP/1.1\r\nHost: h\r\n" + upgrade + framing + b"\r\n" + body + b"early "
    )
    head, rest = read_head(client)
    assert head.startswith(b"HTTP/1.1 101 UPGRADED" if upgrade else b"HTTP/1.1 200 OK")
    assert b"Content-Length" not in head
    assert b"chunked" not in head
    client.sendall(b"late ")
    while len(rest) < 11:
        rest += client.recv(100)
    assert rest == b"EARLY LATE "
    client.sendall(b"more")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"MOREbye"


def test_a_hijacked_connection_survives_the_server(app, path):
    with serving(app, [UnixListener(path=path)]):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(path)
        client.sendall(b"POST /hijack HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        read_head(client)
    with client:
        client.sendall(b"still")
        assert client.recv(100) == b"STILL"
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"bye"


def test_taken_over_connections_are_no_longer_the_servers(served, path):
    with connected(path) as client:
        client.sendall(b"POST /hijack HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        read_head(client)
        assert served.call(lambda: served.server.connections) == 0
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"bye"


def test_slow_heads_and_idle_connections_are_closed(app, path):
    limits = Limits(head_timeout=0.3, idle_timeout=0.3)
    with serving(app, [UnixListener(path=path)], limits=limits), connected(path) as slow:
        slow.sendall(b"GET / HT")
        with (
            connected(path) as silent,
            connected(path) as idle,
            connected(path) as busy,
            connected(path) as halfway,
        ):
            idle.sendall(GET % b"/ping")
            read_reply(idle)
            busy.sendall(GET % b"/stream")
            read_head(busy)
            halfway.sendall(GET % b"/ping" + b"GET /ping HT")
            assert read_all(halfway).count(b"HTTP/1.1 408 ") == 1
            assert silent.recv(10) == b""
            assert idle.recv(10) == b""
            assert read_all(slow).startswith(b"HTTP/1.1 408 ")
            assert not app.cancelled.is_set()


def test_close_finishes_plain_requests_and_cuts_streams(app, path):
    with serving(app, [UnixListener(path=path)]) as served:
        with connected(path) as plain, connected(path) as stream, connected(path) as idle:
            idle.sendall(GET % b"/ping")
            read_reply(idle)
            plain.sendall(GET % b"/slow")
            stream.sendall(GET % b"/stream")
            read_head(stream)
            time.sleep(0.05)
            began = time.monotonic()
            served.run(served.server.close(timeout=5))
            assert time.monotonic() - began < 2
            assert read_reply(plain)[2] == b"slow"
            assert app.cancelled.is_set()
            assert not read_all(stream).endswith(b"0\r\n\r\n")
            assert idle.recv(1) == b""
        assert not os.path.exists(path)


def test_callers_are_known(app, served, path):
    with connected(path) as client:
        client.sendall(GET % b"/ping")
        read_reply(client)
    with connected(("127.0.0.1", served.port)) as client:
        client.sendall(GET % b"/ping")
        read_reply(client)
        port = client.getsockname()[1]
    unix, tcp = app.callers
    assert (unix.transport, unix.uid, unix.gid, unix.pid) == (
        "unix",
        os.getuid(),
        os.getgid(),
        os.getpid(),
    )
    assert unix.listener == f"unix://{path}"
    assert (tcp.transport, tcp.address, tcp.uid) == ("tcp", f"127.0.0.1:{port}", -1)


def test_unix_sockets_have_their_mode_and_group(app, path):
    with serving(app, [UnixListener(path=path, mode=0o660, gid=os.getgid())]):
        status = os.stat(path)
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == os.getgid()


def test_a_stale_socket_is_taken_over(app, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with serving(app, [UnixListener(path=path)]), connected(path) as client:
        client.sendall(GET % b"/ping")
        assert read_reply(client)[0] == 200


def test_a_live_socket_is_refused(app, path):
    with serving(app, [UnixListener(path=path)]) as served:
        with pytest.raises(ListenError, match="listens there already"):
            served.run(served.server.listen(UnixListener(path=path)))
        with connected(path) as client:
            client.sendall(GET % b"/ping")
            assert read_reply(client)[0] == 200


def test_a_file_in_the_way_is_refused(app, path):
    with open(path, "w") as file:
        file.write("precious")
    with (
        pytest.raises(ListenError, match="not a socket"),
        serving(app, [UnixListener(path=path)]),
    ):
        pass
    assert os.path.exists(path)


@pytest.mark.parametrize("path", ["/tmp/" + "x" * 120, "/nonexistent/d.sock"])
def test_impossible_paths_are_refused(app, path):
    with pytest.raises(ListenError), serving(app, [UnixListener(path=path)]):
        pass


def test_taken_ports_are_refused(app, served):
    with pytest.raises(ListenError, match="listens there already"):
        served.run(served.server.listen(TcpListener(host="127.0.0.1", port=served.port)))


def test_open_descriptors_are_served(app):
    opened = socket.create_server(("127.0.0.1", 0))
    address = opened.getsockname()
    with serving(app, [FdListener(fd=opened.detach())]), connected(address) as client:
        client.sendall(GET % b"/ping")
        assert read_reply(client)[0] == 200


def test_descriptors_that_are_no_sockets_are_refused(app, tmp_path):
    file = os.open(tmp_path / "f", os.O_CREAT | os.O_RDWR)
    try:
        with pytest.raises(ListenError), serving(app, [FdListener(fd=file)]):
            pass
    finally:
        os.close(file)
