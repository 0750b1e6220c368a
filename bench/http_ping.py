"""What the API costs: _ping and a list of 300 containers, on one unix connection.

    .venv/bin/python bench/http_ping.py [--rounds N]

The engine is faked, so the figures are those of web, api and wire alone. The floor is an echo
server on the same loop and the same client: what a round trip costs before any HTTP. Server
and client are two processes. Times are microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import sys
import tempfile
import time

import uvloop

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))

from support.http_services import Bench, sample_container
from wharfie.api import application
from wharfie.web import Server, UnixListener

CONTAINERS = 300
PING = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: bench\r\n\r\n"
LIST = b"GET /v1.51/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\n\r\n"
OLD_LIST = b"GET /v1.45/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\n\r\n"


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):  # noqa: ARG002
        self.transport.write(b"x" * 400)


def serve(directory: str) -> None:
    async def run() -> None:
        bench = Bench()
        bench.containers.add(*(sample_container(number) for number in range(1, CONTAINERS + 1)))
        records = bench.containers.select(filters=None)
        bench.containers.select = lambda **_: records  # sorting is the engine's business
        server = Server(application(bench.services))
        await server.listen(UnixListener(path=f"{directory}/api"))
        loop = asyncio.get_running_loop()
        echo = await loop.create_unix_server(Echo, f"{directory}/echo")
        await asyncio.Event().wait()
        echo.close()

    uvloop.run(run())


def connect(path: str) -> socket.socket:
    for _ in range(200):
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
        except OSError:
            client.close()
            time.sleep(0.02)
        else:
            return client
    raise SystemExit("the server did not come up")


def one(client: socket.socket, request: bytes, *, whole: bool) -> int:
    client.sendall(request)
    data = client.recv(65536)
    if whole:
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < size:
            body += client.recv(1 << 20)
        return size
    return len(data)


def report(name: str, times: list[float], size: int) -> None:
    times.sort()
    p50, p99 = times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6
    print(f"{name:28} p50 {p50:9.1f}  p99 {p99:9.1f}  min {times[0] * 1e6:9.1f}  ({size} bytes)")


def timed(client: socket.socket, request: bytes, *, whole: bool) -> float:
    began = time.perf_counter()
    one(client, request, whole=whole)
    return time.perf_counter() - began


def measure(name: str, path: str, request: bytes, rounds: int) -> None:
    with connect(path) as client:
        size = one(client, request, whole=True)
        report(name, [timed(client, request, whole=True) for _ in range(rounds)], size)


def measure_ping(directory: str, rounds: int) -> None:
    """Ping and floor by turns, so that both see the same machine."""
    with connect(f"{directory}/echo") as echo, connect(f"{directory}/api") as api:
        floor, ping = [], []
        for _ in range(rounds):
            floor.append(timed(echo, PING, whole=False))
            ping.append(timed(api, PING, whole=False))
        report("floor: echo", floor, one(echo, PING, whole=False))
        report("_ping", ping, one(api, PING, whole=False))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(directory,))
        server.start()
        try:
            api = f"{directory}/api"
            measure_ping(directory, rounds)
            measure(f"list of {CONTAINERS}", api, LIST, rounds // 10)
            measure(f"list of {CONTAINERS}, API 1.45", api, OLD_LIST, rounds // 50)
        finally:
            server.terminate()
            server.join()


if __name__ == "__main__":
    main()
