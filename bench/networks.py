"""Networks of whole engines: ours beside another one, asked for the same in turn.

    .venv/bin/python bench/networks.py [--beside NAME=SOCKET] [--rounds N] [--seconds S]

Without `--beside` starts are compared with those of containers without a network. What the
network costs is the difference between the first line and the others. A Docker Engine in name
spaces of its own is found by its socket; it needs a busybox:latest.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))

from measuring.figures import Bench
from names import CLIENT, SINK, Throughput

from support.api import Api
from support.daemon import Daemon
from wharfie.kernel import netns

AT_ONCE = 16


class Engine:
    """An engine behind a socket, with a network of its own for the measurements."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.api = Api(path)
        self.network = f"bench-{uuid.uuid4().hex[:8]}"
        self.api.do("POST", "/networks/create", {"Name": self.network})
        self.namespace = os.open(f"/proc/{_listener(path)}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Remove what was made."""
        self.api.do("DELETE", f"/networks/{self.network}")
        os.close(self.namespace)

    def create(self, network: str, *, port: bool = False, command: str = "sleep 600") -> str:
        """A container that was not started."""
        host: dict[str, object] = {"NetworkMode": network}
        if port:
            host["PortBindings"] = {"80/tcp": [{"HostPort": ""}]}
        body = {"Image": "busybox", "Cmd": command.split(), "HostConfig": host}
        body["ExposedPorts"] = {"80/tcp": {}}
        return str(self.api.do("POST", "/containers/create", body)["Id"])

    def remove(self, ref: str) -> None:
        self.api.do("DELETE", f"/containers/{ref}", force=1)

    def start(self, network: str, *, port: bool = False) -> float:
        """Milliseconds of one start."""
        ref = self.create(network, port=port)
        began = time.perf_counter()
        self.api.start(ref)
        took = time.perf_counter() - began
        self.remove(ref)
        return took * 1000

    def removal(self, network: str, *, port: bool = False) -> float:
        """Milliseconds of removing a running container."""
        ref = self.create(network, port=port)
        self.api.start(ref)
        began = time.perf_counter()
        self.remove(ref)
        return (time.perf_counter() - began) * 1000

    def at_once(self, pool: ThreadPoolExecutor) -> float:
        """Milliseconds until all of several starts at once are done."""
        made = [self.create(self.network, port=True) for _ in range(AT_ONCE)]
        began = time.perf_counter()
        list(pool.map(self.api.start, made))
        took = time.perf_counter() - began
        list(pool.map(self.remove, made))
        return took * 1000

    @contextlib.contextmanager
    def running(self, *, port: bool = False) -> Iterator[tuple[str, str, int]]:
        """A container: its ID, the path of its network namespace, and its published port."""
        mark = str(time.time_ns())[-9:]
        ref = self.create(self.network, port=port, command=f"sleep {mark}")
        self.api.start(ref)
        try:
            ports = self.api.inspect(ref)["NetworkSettings"]["Ports"].get("80/tcp") or [{}]
            yield ref, f"/proc/{_process(f'sleep {mark}')}/ns/net", int(ports[0].get("HostPort", 0))
        finally:
            self.remove(ref)

    def lookups(self, seconds: float, depth: int) -> float:
        """Lookups a second, or with a depth of 1 the 99th percentile of one in microseconds."""
        with self.running() as (ref, namespace, _):
            command = [sys.executable, "-c", CLIENT, ref[:12], "53", str(depth), str(seconds)]
            told = subprocess.run(
                ["nsenter", f"--net={namespace}", *command],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        return float(told.stdout.split()[0 if depth > 1 else 1])

    def published(self, seconds: float) -> tuple[float, float]:
        """Megabytes a second through a published port, and to the container itself."""
        with self.running(port=True) as (ref, namespace, port):
            endpoint = self.api.inspect(ref)["NetworkSettings"]["Networks"][self.network]
            sink = subprocess.Popen(
                ["nsenter", f"--net={namespace}", sys.executable, "-c", SINK],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            try:
                assert sink.stdout
                sink.stdout.readline()
                ways = Throughput((endpoint["Gateway"], port), (endpoint["IPAddress"], 80), seconds)
                through = netns.call_inside(self.namespace, ways.measured)
                return through, ways.other()
            finally:
                sink.kill()
                sink.communicate()


def _listener(path: str) -> int:
    """Who listens on a unix socket, as this name space counts processes."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
        found = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", found)[0])


def _process(command: str) -> int:
    wanted = command.encode().replace(b" ", b"\0")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if path.read_bytes().rstrip(b"\0").endswith(wanted):
                    return int(path.parent.name)
    raise RuntimeError(f"no process runs {command}")


def measure(bench: Bench, ours: Engine, other: Engine | None, rounds: int, seconds: float) -> None:
    def beside(name: str, work: Callable[[Engine], float], **options: object) -> None:
        bench.measure(
            name,
            lambda: work(ours),
            floor=None if other is None else lambda: work(other),
            floor_name="" if other is None else other.name,
            **{"rounds": rounds, **options},
        )

    beside("start, no network", lambda one: one.start("none"))
    beside("start, own network", lambda one: one.start(one.network))
    beside("start, own network and a port", lambda one: one.start(one.network, port=True))
    beside("remove, own network and a port", lambda one: one.removal(one.network, port=True))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        beside(
            f"{AT_ONCE} starts at once", lambda one: one.at_once(pool), rounds=max(3, rounds // 5)
        )
    few = {"rounds": 3, "warm_up": 1}
    beside("lookups/s, one client", lambda one: one.lookups(seconds, 16), unit="/s", **few)
    beside("lookup p99", lambda one: one.lookups(seconds, 1), unit="us", **few)
    for one in (ours, other):
        if one is not None:
            last = [0.0]

            def through(one: Engine = one, last: list[float] = last) -> float:
                found, last[0] = one.published(seconds)
                return found

            bench.measure(
                f"published port, {one.name}",
                through,
                floor=lambda last=last: last[0],
                floor_name="direct",
                rounds=5,
                warm_up=1,
                unit="MB/s",
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", default="", help="another engine, NAME=SOCKET")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    bench = Bench("networks of whole engines")
    name, _, path = options.beside.partition("=")
    with Daemon() as daemon, contextlib.ExitStack() as stack:
        daemon.start()
        daemon.load_busybox()
        ours = Engine("wharfie", str(daemon.socket))
        stack.callback(ours.close)
        other = Engine(name, path) if path else None
        if other is not None:
            stack.callback(other.close)
        measure(bench, ours, other, options.rounds, options.seconds)
    return bench.report()


if __name__ == "__main__":
    sys.exit(main())
