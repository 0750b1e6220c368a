"""Bodies that the kernel moves: the same bytes, the same ends, and the next request after them."""

import asyncio
import hashlib
import os
import threading
import time

import pytest

from support.http_certs import certificates
from support.http_serving import connected, read_head, read_reply, serving
from support.http_tls import TlsClient
from wharfie.drivers.archive import readiness
from wharfie.drivers.archive.stream import ByteStream, Waiting
from wharfie.web import ClientGone, Response, Stream, TcpListener, UnixListener

CONTENT = os.urandom(1 << 20) * 5 + b"the end"
GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
PUT = b"PUT /sum HTTP/1.1\r\nHost: h\r\n"


class App:
    """`/pipe` answers from a pipe, `/sum` pours its body into one and tells what came out."""

    def __init__(self):
        self.given_up = threading.Event()
        self.failure = None
        self.delay = 0.0

    def __call__(self, request):
        return getattr(self, "on_" + request.path.strip("/"))(request)

    def on_ping(self, request):
        return Response(200, b"OK")

    def on_pipe(self, request):
        return Stream(ByteStream(self.piped(CONTENT)))

    def on_endless(self, request):
        return Stream(ByteStream(self.piped(None)))

    def on_broken(self, request):
        return Stream(ByteStream(self.piped(CONTENT, breaks=True)))

    async def piped(self, content, breaks=False):
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(read_end, False)
        writer = threading.Thread(target=write, args=(write_end, content))
        writer.start()
        try:
            while size := await readiness.waiting(read_end, 10):
                yield Waiting(read_end, size)
                if breaks:
                    raise ConnectionError("the packer died")
        finally:
            os.close(read_end)
            self.given_up.set()
            await asyncio.to_thread(writer.join)

    async def on_sum(self, request):
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(write_end, False)
        reading = asyncio.ensure_future(asyncio.to_thread(self.read, read_end))
        try:
            await request.body.pour(write_end, 10)
        except ClientGone as error:
            self.failure = error
            raise
        finally:
            os.close(write_end)
            digest = await reading
            self.given_up.set()
        return Response(200, digest.encode())

    async def on_ignored(self, request):
        """Nobody reads the pipe: one whose reader is gone, then one whose reader is stuck."""
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(write_end, False)
        try:
            os.close(read_end) if request.query == "gone" else None
            await request.body.pour(write_end, 0.2)
        except (BrokenPipeError, TimeoutError) as error:
            return Response(200, type(error).__name__.encode())
        finally:
            os.close(write_end)
        return Response(500)

    def read(self, fd):
        digest = hashlib.sha256()
        with open(fd, "rb", buffering=0) as file:
            while data := file.read(1 << 17):
                digest.update(data)
                time.sleep(self.delay)
        return digest.hexdigest()


def write(fd, content):
    with open(fd, "wb", buffering=0) as file:
        try:
            view = memoryview(content if content is not None else bytes(1 << 20))
            while view:
                view = view[file.write(view) :]
                if content is None:
                    view = memoryview(bytes(1 << 20))
        except BrokenPipeError:
            pass


@pytest.fixture
def app():
    return App()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "d.sock")


@pytest.fixture(params=["unix", "tcp"])
def client(request, app, path):
    listeners = [UnixListener(path=path), TcpListener(host="127.0.0.1", port=0)]
    with (
        serving(app, listeners) as state,
        connected(path if request.param == "unix" else ("127.0.0.1", state.port)) as one,
    ):
        yield one


def chunked(size):
    pieces = [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def sum_of(content):
    return hashlib.sha256(content).hexdigest().encode()


def test_a_stream_in_a_pipe_arrives_whole_and_the_connection_lives_on(client):
    for _ in range(3):
        client.sendall(GET % b"/pipe")
        assert read_reply(client)[2] == CONTENT
        client.sendall(GET % b"/ping")
        assert read_reply(client)[2] == b"OK"


def test_http_10_gets_the_bare_bytes(client):
    client.sendall(b"GET /pipe HTTP/1.0\r\n\r\n")
    head, rest = read_head(client)
    while data := client.recv(1 << 20):
        rest += data
    assert b"chunked" not in head.lower()
    assert rest == CONTENT


def test_a_client_that_leaves_ends_the_stream(client, app):
    client.sendall(GET % b"/endless")
    read_head(client)
    client.close()
    assert app.given_up.wait(10)


def test_a_stream_that_breaks_is_not_ended_properly(client, app):
    client.sendall(GET % b"/broken")
    data = b""
    while more := client.recv(1 << 20):
        data += more
    assert not data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: %d\r\n\r\n%b" % (len(CONTENT), CONTENT),
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(1 << 20),
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(70_001),
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(1000),
    ],
    ids=["length", "large-chunks", "odd-chunks", "small-chunks"],
)
def test_a_body_is_poured_whole_and_the_next_request_is_seen(client, app, body):
    app.delay = 0.001
    client.sendall(PUT + body + GET % b"/ping")
    status, _, said, rest = read_reply(client)
    assert (status, said) == (200, sum_of(CONTENT))
    assert read_reply(client, rest)[2] == b"OK"


def test_a_body_that_comes_in_drops_is_poured_whole(client):
    client.sendall(PUT + b"Content-Length: 200000\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " in read_head(client)[0]
    for _ in range(20):
        client.sendall(bytes(10_000))
        time.sleep(0.002)
    assert read_reply(client)[2] == sum_of(bytes(200_000))


def test_a_client_that_leaves_in_the_middle_is_told_apart_from_the_end(client, app):
    client.sendall(PUT + b"Content-Length: 900000\r\n\r\n" + bytes(300_000))
    client.close()
    assert app.given_up.wait(10)
    assert isinstance(app.failure, ClientGone)


@pytest.mark.parametrize(("query", "error"), [("gone", b"BrokenPipeError"), ("", b"TimeoutError")])
def test_a_pipe_nobody_reads_holds_up_nobody(client, query, error):
    # More than the places of a pipe hold, each of which may be 64 KiB of a socket's.
    large = bytes(64 << 20)
    head = f"PUT /ignored?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(large)}\r\n\r\n"
    sending = threading.Thread(target=send_all, args=(client, head.encode() + large), daemon=True)
    sending.start()
    status, _, said, _ = read_reply(client)
    assert (status, said) == (200, error)
    client.close()
    sending.join(10)


def send_all(client, data):
    try:
        client.sendall(data)
    except OSError:
        return


def test_over_tls_the_same_bytes_come_the_usual_way(app):
    made = certificates()
    listener = TcpListener(host="127.0.0.1", port=0, tls=made.source())
    with serving(app, [listener]) as state, connected(("127.0.0.1", state.port)) as raw:
        client = TlsClient(raw, made.client_context())
        client.sendall(GET % b"/pipe")
        assert read_reply(client)[2] == CONTENT
        client.sendall(PUT + b"Content-Length: %d\r\n\r\n%b" % (len(CONTENT), CONTENT))
        assert read_reply(client)[2] == sum_of(CONTENT)
