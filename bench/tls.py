"""What TLS costs: handshakes, requests, streams taken over, and a thousand idle connections.

    .venv/bin/python bench/tls.py [--quick]

The floor is `openssl s_server` with the same certificates: C, one connection at a time, nothing
behind it. Server, floor and clients are processes of their own. The engine is faked, so the
figures are those of web, api and wire; all connections are mutual TLS 1.3, ECDSA P-256.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))

from measuring.figures import Bench

from support.daemon import Daemon
from support.http_services import Bench as Fakes
from support.netns import inside
from wharfie.api import application
from wharfie.kernel.memory import keep_freed_memory
from wharfie.pki import ServerFiles, ServerTls
from wharfie.pki.directory import Terms, create
from wharfie.pki.names import parse_hosts
from wharfie.web import Hijack, Server, TcpListener, UnixListener

PING = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"
TAKE = b"POST /take HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
LINE = b"x" * 68 + b"\n"
IDLE = 1000
PIPE = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")


def serve(directory: Path) -> None:
    """The server's process: the API, and one path that hands a stream of zeros over."""

    async def run() -> None:
        keep_freed_memory()
        api = application(Fakes().services)

        async def take(fd: int, _: bytes) -> None:
            threading.Thread(target=pour, args=(os.dup(fd),), daemon=True).start()

        def handle(request):
            return Hijack(take) if request.path == "/take" else api(request)

        files = ServerFiles(
            ca=f"{directory}/ca.pem",
            cert=f"{directory}/server-cert.pem",
            key=f"{directory}/server-key.pem",
            verify=True,
        )
        server = Server(handle)
        listener = TcpListener(host="127.0.0.1", port=0, tls=ServerTls(files))
        (one,) = await server.listen(listener)
        await server.listen(UnixListener(path=f"{directory}/api"))
        print(one.getsockname()[1], flush=True)
        await asyncio.Event().wait()

    uvloop.run(run())


def pour(fd: int) -> None:
    """A process that writes as fast as it can; the supervisor stands here in a daemon.

    It is one of its own, so that it does not share our interpreter's lock.
    """
    os.set_blocking(fd, True)
    subprocess.run(["cat", "/dev/zero"], stdout=fd, stderr=subprocess.DEVNULL, check=False)
    os.close(fd)


class Place:
    """A server and its clients' certificates."""

    def __init__(self, directory: Path, process: subprocess.Popen[str], port: int) -> None:
        self.directory = directory
        self.pid = process.pid
        self.port = port
        self._context = ssl.create_default_context(cafile=f"{directory}/ca.pem")
        self._context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(raw, server_hostname="localhost")

    def cpu(self) -> float:
        """Seconds of processor the server has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def ours(directory: Path) -> Iterator[Place]:
    argv = [sys.executable, __file__, "--serve", str(directory)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Place(directory, process, int(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def floor(directory: Path, *flags: str, source: str = "/dev/null") -> Iterator[Place]:
    """`openssl s_server` with the same certificates."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-CAfile", "ca.pem"]
    argv += ["-cert", "server-cert.pem", "-key", "server-key.pem", "-Verify", "1", *flags]
    with (
        open(source, "rb") as given,
        subprocess.Popen(
            argv, cwd=directory, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
    ):
        try:
            # A connection to see whether it listens would be its one customer.
            while (
                f"127.0.0.1:{port} "
                not in subprocess.run(
                    ["ss", "-Hltn"], capture_output=True, text=True, check=True
                ).stdout
            ):
                time.sleep(0.02)
            yield Place(directory, process, port)
        finally:
            process.kill()


def handshakes(place: Place, count: int) -> float:
    """Handshakes a second of the server's own processor time: what one core could do."""
    began = place.cpu()
    for _ in range(count):
        with place.connect():
            pass
    return count / max(place.cpu() - began, 1 / TICKS)


def ask(client: ssl.SSLSocket, request: bytes) -> None:
    client.sendall(request)
    client.recv(65536)


def requests(client: ssl.SSLSocket, request: bytes, count: int) -> float:
    """Requests a second by the clock, one after the other on one connection."""
    began = time.perf_counter()
    for _ in range(count):
        ask(client, request)
    return count / (time.perf_counter() - began)


def throughput(client: ssl.SSLSocket, size: int) -> float:
    """Gigabytes a second a client receives."""
    buffer = bytearray(PIPE)
    received = 0
    began = time.perf_counter()
    while received < size:
        piece = client.recv_into(buffer)
        if not piece:
            raise ConnectionError("the stream ended")
        received += piece
    return received / (time.perf_counter() - began) / 1e9


def economy(place: Place, client: ssl.SSLSocket, size: int) -> float:
    """Gigabytes a client receives for a second of the server's processor time."""
    began = place.cpu()
    throughput(client, size)
    return size / 1e9 / max(place.cpu() - began, 1 / TICKS)


def slowest(client: ssl.SSLSocket, request: bytes, count: int) -> float:
    """The 99th percentile of `count` round trips, in microseconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        ask(client, request)
        times.append(time.perf_counter() - began)
    times.sort()
    return times[count * 99 // 100] * 1e6


def measure(directory: Path, bench: Bench, scale: int) -> None:
    rounds = max(3, 10 // scale)
    with ours(directory) as api, floor(directory, "-quiet", "-naccept", "100000") as bare:
        bench.measure(
            "handshakes per core second",
            lambda: handshakes(api, 200 // scale),
            floor=lambda: handshakes(bare, 200 // scale),
            floor_name="openssl s_server",
            rounds=rounds,
            warm_up=1,
            unit="1/s",
        )
    with (
        ours(directory) as api,
        floor(directory, "-rev", "-quiet") as bare,
        api.connect() as client,
        bare.connect() as echoed,
    ):
        bench.measure(
            "_ping, keep-alive",
            lambda: requests(client, PING, 2000 // scale),
            floor=lambda: requests(echoed, LINE, 2000 // scale),
            floor_name="openssl s_server -rev",
            rounds=rounds,
            warm_up=1,
            unit="1/s",
        )
        with ExitStack() as stack:
            before = api.memory()
            for _ in range(IDLE):
                stack.enter_context(api.connect())
            each = (api.memory() - before) / IDLE / 1024
            bench.measure(
                f"_ping p99, {IDLE} idle",
                lambda: slowest(client, PING, 2000 // scale),
                floor=lambda: slowest(echoed, LINE, 2000 // scale),
                floor_name="openssl s_server -rev, none idle",
                rounds=rounds,
                warm_up=1,
                unit="us",
            )
            bench.measure("memory of an idle one", lambda: each, rounds=1, unit="KiB")
    with (
        ours(directory) as api,
        floor(directory, "-quiet", "-nbio", source="/dev/zero") as bare,
        api.connect() as client,
        bare.connect() as zeros,
    ):
        client.sendall(TAKE)
        client.recv(16384)
        bench.measure(
            "stream taken over",
            lambda: throughput(client, 1_000_000_000 // scale),
            floor=lambda: throughput(zeros, 1_000_000_000 // scale),
            floor_name="openssl s_server < /dev/zero",
            rounds=rounds,
            warm_up=1,
            unit="GB/s",
        )
        bench.measure(
            "the same per core second",
            lambda: economy(api, client, 1_000_000_000 // scale),
            floor=lambda: economy(bare, zeros, 1_000_000_000 // scale),
            floor_name="openssl s_server < /dev/zero",
            rounds=rounds,
            unit="GB",
        )


def container_stream(daemon: Daemon, *, secured: bool, size: int) -> float:
    """Gigabytes a second that a client attached to a container's terminal-less output receives.

    The whole way: pipe, supervisor (framing, no log), daemon, TLS, client.
    """
    script = f"dd if=/dev/zero bs=1M count={size // 1_000_000} 2>/dev/null"
    body = {"Image": "busybox", "Cmd": ["sh", "-c", script], "AttachStdout": True}
    body["HostConfig"] = {"NetworkMode": "none", "LogConfig": {"Type": "none"}}
    made = daemon.json("POST", "/containers/create", body)
    assert isinstance(made, dict)
    path = f"/containers/{made['Id']}"
    try:
        with connect(daemon, secured=secured) as client:
            upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            line = f"POST {path}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: localhost\r\n"
            client.sendall((line + upgrade).encode())
            assert b"101 UPGRADED" in client.recv(4096)
            daemon.json("POST", f"{path}/start")
            return throughput(client, size)
    finally:
        daemon.request("DELETE", f"{path}?force=1")


@contextmanager
def connect(daemon: Daemon, *, secured: bool) -> Iterator[socket.socket]:
    """A connection to the daemon: over TLS, or the unix socket."""
    if not secured:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(20)
            plain.connect(str(daemon.socket))
            yield plain
        return
    certs = daemon.certs
    context = ssl.create_default_context(cafile=f"{certs}/ca.pem")
    context.load_cert_chain(f"{certs}/cert.pem", f"{certs}/key.pem")
    with inside(daemon.namespaces, ("127.0.0.1", 2376)) as raw:
        raw.settimeout(20)
        with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
            yield wrapped


def measure_attach(bench: Bench, scale: int) -> None:
    size = 1_000_000_000 // scale
    with Daemon(tls=True) as daemon:
        daemon.start()
        daemon.load_busybox()
        bench.measure(
            "attach to a container",
            lambda: container_stream(daemon, secured=True, size=size),
            floor=lambda: container_stream(daemon, secured=False, size=size),
            floor_name="the same over the unix socket",
            rounds=max(3, 10 // scale),
            warm_up=1,
            unit="GB/s",
        )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    bench = Bench("Mutual TLS 1.3, ECDSA P-256")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "certs"
        create(
            directory,
            parse_hosts(["localhost", "127.0.0.1"]),
            terms=Terms(now=datetime.datetime.now(datetime.UTC), days=2),
            ca_name="bench",
            client_name="client",
        )
        measure(directory, bench, 10 if options.quick else 1)
    if os.geteuid() == 0:
        measure_attach(bench, 10 if options.quick else 1)
    return bench.report()


if __name__ == "__main__":
    sys.exit(main())
