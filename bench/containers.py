"""Streams, files and questions of containers by a whole daemon, each beside its floor.

    .venv/bin/python bench/containers.py [--quick] [--only attach,stdin,…] [--socket PATH]

Needs root. TMPDIR=/dev/shm keeps a used disk out of the figures of files: on ext4 a file made soon
after others were removed costs many times as much, whoever makes it. With --socket another engine
is measured: it needs a busybox:latest. Figures of data are in MB/s, their floors `cat` through a
socket, `cp` and `tar` on the same disk.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from measuring.api import Api
from measuring.figures import Bench, timed
from measuring.streams import connect, drain, fetch, send
from measuring.trees import large_files, pack, small_files

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the daemon fixture

FIGURES = ("attach", "stdin", "large", "small", "commit", "inspect", "stats", "stop")
STREAM = 1 << 30
LARGE = 200 << 20
SMALL = 5000
CHUNK = 1 << 20
MEGA = 1e6


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
                return drained(client, STREAM)

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
        source = large_files(self.disk / "large", LARGE)
        self._files("200 MB", source, LARGE, ["cp", "-r"])

    def small(self) -> None:
        source = small_files(self.disk / "small", SMALL)
        self._files(f"{SMALL} files", source, SMALL * 1000, None)

    def commit(self) -> None:
        source = large_files(self.disk / "layer", LARGE)
        ref = self._filled(source)

        def commit() -> float:
            begun = time.perf_counter()
            image = self.api.document("POST", f"/commit?container={ref}")["Id"]
            taken = (time.perf_counter() - begun) * 1000
            self.api.call("DELETE", f"/images/{image}?force=1")
            return taken

        def floor() -> float:
            return pack(source, self._gone("floor.tar"))

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

    def _files(self, name: str, source: Path, size: int, copying: list[str] | None) -> None:
        """Out of and into a container, beside `copying` or, without, beside tar."""
        packed, copy = self.disk / "in.tar", self.disk / "copy"
        pack(source, packed)
        ref = self._filled(source)

        def floor_out() -> float:
            return timed(copy_files) if copying else pack(source, self._gone("floor.tar"))

        def copy_files() -> None:
            subprocess.run([*(copying or []), source, copy], check=True)

        def unpack() -> None:
            subprocess.run(["tar", "-xf", packed, "-C", copy], check=True)

        def fresh(work: Callable[[], float]) -> Callable[[], float]:
            """As `work`, with nothing there to be replaced."""

            def begin() -> float:
                shutil.rmtree(copy, ignore_errors=True)
                return work()

            return begin

        def floor_in() -> float:
            if copying:
                return timed(copy_files)
            copy.mkdir()
            return timed(unpack)

        floor_name = copying[0] if copying else "tar"
        out = f"/containers/{ref}/archive?path=/{source.name}"
        self.bench.measure(f"archive out, {name}", lambda: self._get(out, size),
                           floor=fresh(floor_out), floor_name=floor_name, rounds=self.rounds,
                           warm_up=1)  # fmt: skip
        self.bench.measure(f"archive in, {name}", lambda: self._put(packed),
                           floor=fresh(floor_in), floor_name=floor_name, rounds=self.rounds,
                           warm_up=1)  # fmt: skip

    def _filled(self, source: Path) -> str:
        """A container with a copy of a directory in its root."""
        ref = self.create("true")
        packed = self.disk / "filling.tar"
        pack(source, packed)
        send(self.path, "PUT", f"/containers/{ref}/archive?path=/", packed)
        packed.unlink()
        return ref

    def _gone(self, name: str) -> Path:
        """A file that is not there, so that all begin with the same."""
        path = self.disk / name
        path.unlink(missing_ok=True)
        return path

    def _put(self, packed: Path) -> float:
        """Send an archive to a container that has nothing of it yet; milliseconds."""
        ref = self.create("true")
        begun = time.perf_counter()
        send(self.path, "PUT", f"/containers/{ref}/archive?path=/tmp", packed)
        taken = (time.perf_counter() - begun) * 1000
        self.api.call("DELETE", f"/containers/{self.made.pop()}")
        return taken

    def _get(self, url: str, least: int) -> float:
        """Read an archive into a file; milliseconds."""
        target = self._gone("got.tar")
        begun = time.perf_counter()
        size = fetch(self.path, url, target)
        taken = (time.perf_counter() - begun) * 1000
        if size < least:
            raise RuntimeError(f"{size} bytes only")
        return taken

    def _ask(self, path: str) -> None:
        self.api.call("GET", path)

    @contextlib.contextmanager
    def _attached(self, ref: str, query: str):  # type: ignore[no-untyped-def]
        with connect(self.path) as client:
            client.sendall(
                f"POST /containers/{ref}/attach?stream=1&{query} HTTP/1.1\r\nHost: d\r\n"
                "Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n".encode()
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            yield client


def drained(client: socket.socket, least: int) -> float:
    """Read to the end; MB/s."""
    begun = time.perf_counter()
    size = drain(client)
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
        rate = drained(ours, size)
        writer.join()
    return rate


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
            daemon.data_root = disk / "data"
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
