"""Streams, files and questions of containers by a whole daemon, each beside its floor.

    .venv/bin/python bench/containers.py [--quick] [--only attach,stdin,…] [--socket PATH]

Needs root. With --socket another engine is measured: it needs a busybox:latest. Figures of data are
in MB/s, their floors `cat` through a socket, `cp` and `tar` on the same disk.
"""

import argparse
import contextlib
import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from measuring.api import Api
from measuring.figures import Bench

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the daemon fixture

FIGURES = ("attach", "stdin", "large", "small", "commit", "inspect", "stats", "stop")
STREAM = 1 << 30
LARGE = 200 << 20
SMALL = 5000
CHUNK = 1 << 20
MEGA = 1e6


class Unix(http.client.HTTPConnection):
    """HTTP over an engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("d", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Inside:
    """The figures, taken from an engine's socket."""

    def __init__(self, path: str, disk: Path, rounds: int) -> None:
        self.path = path
        self.api = Api(path)
        self.disk = disk
        self.rounds = rounds
        self.bench = Bench("containers", bound=90)
        self.made: list[str] = []

    def close(self) -> None:
        for ref in self.made:
            self.api.call("DELETE", f"/containers/{ref}?force=1&v=1")

    def create(self, *command: str, **config: object) -> str:
        host = {"LogConfig": {"Type": "none"}}
        body = {"Image": "busybox", "Cmd": command, "HostConfig": host, **config}
        made = self.api.document("POST", "/containers/create", body)
        self.made.append(str(made["Id"]))
        return self.made[-1]

    # --- streams

    def attach(self) -> None:
        ref = self.create("dd", "if=/dev/zero", "bs=1M", f"count={STREAM >> 20}", Tty=False)

        def work() -> float:
            with self._attached(ref, "stdout=1") as client:
                self.api.call("POST", f"/containers/{ref}/start")
                return drain(client, STREAM)

        self._data("attach stdout 1 GB", work, lambda: through_socket(STREAM), "dd, a socket")

    def stdin(self) -> None:
        ref = self.create("dd", "of=/dev/null", "bs=1M", OpenStdin=True, StdinOnce=True)

        def work() -> float:
            with self._attached(ref, "stdin=1") as client:
                self.api.call("POST", f"/containers/{ref}/start")
                begun = time.perf_counter()
                feed(client, STREAM)
                self.api.call("POST", f"/containers/{ref}/wait")
                return STREAM / MEGA / (time.perf_counter() - begun)

        self._data("attach stdin 1 GB", work, lambda: through_socket(STREAM), "dd, a socket")

    # --- files

    def large(self) -> None:
        source = self.disk / "large"
        source.mkdir()
        for number in range(4):
            (source / f"f{number}").write_bytes(os.urandom(LARGE // 4))
        ref = self._filled(source, "large")
        self._files("200 MB", ref, source, LARGE, ["cp", "-r"])

    def small(self) -> None:
        source = self.disk / "small"
        for number in range(SMALL):
            path = source / f"d{number // 100}" / f"f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 1000)
        ref = self._filled(source, "small")
        self._files(f"{SMALL} files", ref, source, SMALL * 1000, None)

    def commit(self) -> None:
        source = self.disk / "layer"
        source.mkdir()
        for number in range(4):
            (source / f"f{number}").write_bytes(os.urandom(LARGE // 4))
        ref = self._filled(source, "layer")

        def commit() -> float:
            begun = time.perf_counter()
            image = self.api.document("POST", f"/commit?container={ref}")["Id"]
            taken = (time.perf_counter() - begun) * 1000
            self.api.call("DELETE", f"/images/{image}?force=1")
            return taken

        def floor() -> float:
            return tar_out(source, self.disk / "floor.tar")

        rounds = self.rounds
        self.bench.measure("commit 200 MB", commit, floor=floor, floor_name="tar -c",
                           rounds=rounds, warm_up=1)  # fmt: skip
        self.bench.measure("export 200 MB", lambda: self._get(f"/containers/{ref}/export", LARGE),
                           floor=floor, floor_name="tar -c", rounds=rounds, warm_up=1)  # fmt: skip

    # --- questions

    def inspect(self) -> None:
        ref = self.create("sleep", "600")
        self.bench.measure("inspect", lambda: self._ask(f"/containers/{ref}/json"), rounds=300,
                           floor=lambda: self._ask("/_ping"), floor_name="/_ping")  # fmt: skip

    def stats(self) -> None:
        ref = self.create("sleep", "600")
        self.api.call("POST", f"/containers/{ref}/start")
        path = f"/containers/{ref}/stats?stream=0&one-shot=1"
        self.bench.measure("stats, one-shot", lambda: self._ask(path), rounds=200,
                           floor=lambda: self._ask("/_ping"), floor_name="/_ping")  # fmt: skip

    def stop(self) -> None:
        script = "trap 'exit 0' TERM; while :; do sleep 60 & wait; done"
        ref = self.create("sh", "-c", script)

        def work() -> float:
            self.api.call("POST", f"/containers/{ref}/start")
            time.sleep(0.3)  # for its trap
            begun = time.perf_counter()
            self.api.call("POST", f"/containers/{ref}/stop")
            return (time.perf_counter() - begun) * 1000

        self.bench.measure("stop of what obeys", work, floor=lambda: end_of(script),
                           floor_name="the process alone", rounds=10 * self.rounds)  # fmt: skip

    # --- how

    def _data(self, name: str, work: object, floor: object, floor_name: str) -> None:
        self.bench.measure(name, work, floor=floor, floor_name=floor_name, rounds=self.rounds,  # type: ignore[arg-type]
                           warm_up=1, unit="MB/s")  # fmt: skip

    def _files(
        self, name: str, ref: str, source: Path, size: int, copying: list[str] | None
    ) -> None:
        copy = self.disk / "copy"

        def floor() -> float:
            if copying is None:
                return tar_out(source, self.disk / "floor.tar")
            shutil.rmtree(copy, ignore_errors=True)
            begun = time.perf_counter()
            subprocess.run([*copying, source, copy], check=True)
            return (time.perf_counter() - begun) * 1000

        def floor_in() -> float:
            if copying is not None:
                return floor()
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            tar_out(source, self.disk / "floor.tar")
            begun = time.perf_counter()
            subprocess.run(["tar", "-xf", self.disk / "floor.tar", "-C", copy], check=True)
            return (time.perf_counter() - begun) * 1000

        floor_name = copying[0] if copying else "tar"
        where = source.name
        out = f"/containers/{ref}/archive?path=/{where}"
        self.bench.measure(f"archive out, {name}", lambda: self._get(out, size), floor=floor,
                           floor_name=floor_name, rounds=self.rounds, warm_up=1)  # fmt: skip
        tar_out(source, self.disk / "in.tar")
        data = (self.disk / "in.tar").read_bytes()
        self.bench.measure(f"archive in, {name}", lambda: self._put(ref, "/tmp", data),
                           floor=floor_in, floor_name=floor_name, rounds=self.rounds,
                           warm_up=1)  # fmt: skip

    def _filled(self, source: Path, name: str) -> str:
        """A container with a copy of a directory in its root."""
        ref = self.create("true")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(source, arcname=name)
        self._put(ref, "/", buffer.getvalue())
        return ref

    def _put(self, ref: str, path: str, data: bytes) -> float:
        begun = time.perf_counter()
        connection = Unix(self.path)
        headers = {"Content-Type": "application/x-tar"}
        connection.request("PUT", f"/containers/{ref}/archive?path={path}", data, headers)
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(reply.read().decode(errors="replace"))
        connection.close()
        return (time.perf_counter() - begun) * 1000

    def _get(self, path: str, least: int) -> float:
        """Read an archive into a file; milliseconds."""
        begun = time.perf_counter()
        connection = Unix(self.path)
        connection.request("GET", path)
        reply = connection.getresponse()
        size = 0
        view = memoryview(bytearray(CHUNK))
        with open(self.disk / "got.tar", "wb", buffering=0) as file:
            while count := reply.readinto(view):
                size += file.write(view[:count])
        connection.close()
        if reply.status != 200 or size < least:
            raise RuntimeError(f"{reply.status}, {size} bytes only")
        return (time.perf_counter() - begun) * 1000

    def _ask(self, path: str) -> None:
        self.api.call("GET", path)

    @contextlib.contextmanager
    def _attached(self, ref: str, query: str):  # type: ignore[no-untyped-def]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(self.path)
            client.sendall(
                f"POST /containers/{ref}/attach?stream=1&{query} HTTP/1.1\r\nHost: d\r\n"
                "Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n".encode()
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            yield client


def drain(client: socket.socket, least: int) -> float:
    """Read to the end; MB/s."""
    view = memoryview(bytearray(CHUNK))
    size, begun = 0, time.perf_counter()
    while count := client.recv_into(view):
        size += count
    if size < least:
        raise RuntimeError(f"{size} bytes only")
    return size / MEGA / (time.perf_counter() - begun)


def feed(client: socket.socket, size: int) -> None:
    data = bytes(CHUNK)
    for _ in range(size // CHUNK):
        client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def through_socket(size: int) -> float:
    """What a socket between two of us carries; MB/s."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=feed, args=(theirs, size))
        writer.start()
        rate = drain(ours, size)
        writer.join()
    return rate


def tar_out(source: Path, target: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(["tar", "-cf", target, "-C", source.parent, source.name], check=True)
    return (time.perf_counter() - begun) * 1000


def end_of(script: str) -> float:
    """Milliseconds from SIGTERM to the end of the first process of a pid namespace."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "busybox", "sh", "-c", script]
    with subprocess.Popen(command) as process:
        time.sleep(0.3)  # for its trap
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        begun = time.perf_counter()
        os.kill(int(children.split()[0]), signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError("the floor did not obey") from None
        return (time.perf_counter() - begun) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {','.join(FIGURES)}")
    parser.add_argument("--socket", default="", help="another engine's")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    with contextlib.ExitStack() as stack:
        disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        path = arguments.socket
        if not path:
            from support.daemon import Daemon  # noqa: PLC0415 - only with ours

            daemon = stack.enter_context(Daemon())
            daemon.start()
            daemon.load_busybox()
            path = str(daemon.socket)
        inside = Inside(path, disk, rounds)
        stack.callback(inside.close)
        for name in arguments.only.split(","):
            getattr(inside, name)()
        return inside.bench.report()


if __name__ == "__main__":
    sys.exit(main())
