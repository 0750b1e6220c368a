"""Floors: the OCI runtime without an engine, and a server that only answers constant bytes."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A whole reply of an engine that had nothing to think about.
ANSWERING_PROGRAM = """
import asyncio, sys
reply = sys.stdin.buffer.read()
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(reply)
async def main():
    server = await asyncio.get_running_loop().create_unix_server(Answer, sys.argv[1])
    print("ready", flush=True)
    await server.serve_forever()
import uvloop
uvloop.run(main())
"""


class Bundle:
    """A bundle of busybox for `crun`, with what a container gets at least: all namespaces."""

    def __init__(self, directory: Path, archive: Path) -> None:
        self.directory = directory
        self._next = 0
        self._state = directory / "state"
        shutil.rmtree(directory, ignore_errors=True)
        rootfs = directory / "rootfs"
        rootfs.mkdir(parents=True)
        with tarfile.open(archive) as image:
            manifest = image.extractfile("manifest.json")
            assert manifest is not None
            content = image.extractfile(json.load(manifest)[0]["Layers"][0])
            assert content is not None
            subprocess.run(["tar", "-xC", str(rootfs)], input=content.read(), check=True)
        subprocess.run(["crun", "spec"], cwd=directory, check=True)
        self._configure("true")

    def _configure(self, *args: str) -> None:
        path = self.directory / "config.json"
        spec = json.loads(path.read_text())
        spec["process"] |= {"terminal": False, "args": [*args]}
        spec["root"] |= {"readonly": False}
        path.write_text(json.dumps(spec))

    def run(self) -> None:
        """One container from nothing to removed."""
        self._next += 1
        self._crun("run", "-b", str(self.directory), f"floor{os.getpid()}-{self._next}")

    def run_many(self, count: int, at_once: int) -> None:
        """`count` containers, `at_once` at a time, by one shell: the floor forks little itself."""
        script = (
            f"seq {count} | xargs -P {at_once} -I N "
            f"crun --root {self._state} run -b {self.directory} many{os.getpid()}-N"
        )
        subprocess.run(["sh", "-c", script], check=True, stdin=subprocess.DEVNULL)

    @contextmanager
    def running(self) -> Iterator[str]:
        """A container that sleeps, for `exec`."""
        name = f"floor{os.getpid()}-sleeping"
        self._configure("sleep", "1000")
        self._crun("run", "-d", "-b", str(self.directory), name)
        self._configure("true")
        try:
            yield name
        finally:
            self._crun("delete", "-f", name)

    def exec(self, name: str) -> None:
        """Run `true` in a running container."""
        self._crun("exec", name, "true")

    def _crun(self, *arguments: str) -> None:
        subprocess.run(
            ["crun", "--root", str(self._state), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def answering(directory: Path, body: bytes) -> Iterator[str]:
    """A server on a unix socket that answers every packet with one reply of this body."""
    path = str(directory / "floor.sock")
    Path(path).unlink(missing_ok=True)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with subprocess.Popen(
        [sys.executable, "-c", ANSWERING_PROGRAM, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(head + body)
        server.stdin.close()
        assert server.stdout.readline() == b"ready\n"
        try:
            yield path
        finally:
            server.kill()


def ping_socket(path: str, count: int) -> float:
    """Median round trip of /_ping in microseconds, over one connection."""
    request = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
    times = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        for _ in range(count):
            start = time.perf_counter()
            connection.sendall(request)
            connection.recv(1 << 16)
            times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2] * 1e6
