"""Logs, events and memory beside their floors: a daemon of its own, in namespaces of its own.

    .venv/bin/python bench/logs.py [--quick] [--only write,read,event,memory]

Needs root. Each figure and its floor are taken in turn.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from engine import ROOT, Inside, engine_pss
from measuring.streams import connect, drain

LOG_BYTES = 200_000_000
LINE = "x" * 99
PIECE = 10_000_000
RUNNING = 100
FLAT = {"max-size": "-1"}
WRITTEN = {"json-file": FLAT, "local": {"max-size": "1g"}, "none": {}}


class Logging(Inside):
    """The measuring program, run inside the daemon's namespaces."""

    def flood(self, driver: str, options: dict[str, str], count: int) -> str:
        """A container that logs `count` bytes in lines of 100."""
        lines = self.lines()
        log = {"Type": driver, "Config": options}
        repeat = f"i=0; while [ $i -lt {count // PIECE} ]; do cat /lines; i=$((i+1)); done"
        return self.create("sh", "-c", repeat, LogConfig=log, Binds=[f"{lines}:/lines:ro"])

    def lines(self) -> Path:
        """A file of lines; read from the page cache, so that the writer is no bound."""
        file = self.directory / "lines"
        if not file.exists():
            file.write_bytes(f"{LINE}\n".encode() * (PIECE // 100))
        return file

    def count(self) -> int:
        return LOG_BYTES // (10 if self.quick else 1)

    def write(self) -> None:
        count = self.count()

        def logged(driver: str) -> float:
            container = self.flood(driver, WRITTEN[driver], count)
            start = time.perf_counter()
            self.api.call("POST", f"/containers/{container}/start")
            self.api.call("POST", f"/containers/{container}/wait")
            seconds = time.perf_counter() - start
            self.remove([container])
            return count / seconds / 1e6

        def unlogged() -> float:
            start = time.perf_counter()
            repeat = f"i=0; while [ $i -lt {count // PIECE} ]; do busybox cat {self.lines()};"
            shell = f"{{ {repeat} i=$((i+1)); done; }} | cat > /dev/null"
            subprocess.run(["sh", "-c", shell], check=True)
            return count / (time.perf_counter() - start) / 1e6

        for driver in WRITTEN:
            self.bench.measure(
                f"{driver}, written",
                lambda driver=driver: logged(driver),
                floor=unlogged,
                floor_name="same pipe, not logged",
                rounds=self.rounds(5),
                warm_up=1,
                unit="MB/s",
            )

    def read(self) -> None:
        count = self.count()
        for driver in ("json-file", "local"):
            container = self.flood(driver, WRITTEN[driver], count)
            self.api.call("POST", f"/containers/{container}/start")
            self.api.call("POST", f"/containers/{container}/wait")
            path = self.directory / "data/containers" / container
            file = path / f"{container}-json.log"
            if driver == "local":
                file = path / "local-logs/container.log"
            self.bench.measure(
                f"{driver}, read back",
                lambda container=container: self.drain(container, count),
                floor=lambda file=file: cat(file, count),
                floor_name="cat of the file",
                rounds=self.rounds(5),
                warm_up=1,
                unit="MB/s",
            )
            self.remove([container])

    def drain(self, container: str, count: int) -> float:
        """Read a whole log over the API; text a second, in MB."""
        request = f"GET /containers/{container}/logs?stdout=1 HTTP/1.0\r\nHost: d\r\n\r\n"
        start = time.perf_counter()
        with connect(self.socket) as connection:
            connection.sendall(request.encode())
            total = drain(connection)
        if total < count * 1.08:
            raise RuntimeError(f"{total} bytes came")
        return count / (time.perf_counter() - start) / 1e6

    def event(self) -> None:
        """Milliseconds from the time an event tells to its arrival at a subscriber."""
        filters = quote(json.dumps({"event": ["start"]}))
        request = f"GET /events?filters={filters} HTTP/1.1\r\nHost: d\r\n\r\n"
        held = [self.create("sleep", "1000") for _ in range(20)]
        with connect(self.socket) as connection:
            connection.sendall(request.encode())
            connection.recv(1 << 16)

            def once() -> float:
                container = held.pop()
                self.api.call("POST", f"/containers/{container}/start")
                data = b""
                while b"timeNano" not in data:
                    if not (more := connection.recv(1 << 16)):
                        raise RuntimeError("the stream of events ended")
                    data += more
                arrived = time.time_ns()
                self.remove([container])
                told = int(data.partition(b'"timeNano":')[2].partition(b"}")[0])
                return (arrived - told) / 1e6

            # The reader sleeps in another call meanwhile, so the reply to the start comes first.
            self.bench.measure("start to subscriber", once, rounds=15, warm_up=2)
        self.remove(held)

    def memory(self) -> None:
        held = []
        try:
            for _ in range(RUNNING):
                held.append(self.create("sleep", "1000", network="bridge"))
                self.api.call("POST", f"/containers/{held[-1]}/start")
            self.bench.measure(
                f"PSS, {RUNNING} running",
                lambda: engine_pss() / 1.048576,
                rounds=1,
                warm_up=0,
                unit="MiB",
            )
        finally:
            self.remove(held)


def cat(file: Path, count: int) -> float:
    """Text a second, in MB, that `cat` of the log's file would give."""
    start = time.perf_counter()
    subprocess.run(["sh", "-c", f"cat {file} | cat > /dev/null"], check=True)
    return count / (time.perf_counter() - start) / 1e6


FIGURES = ("memory", "event", "write", "read")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the bytes")
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {','.join(FIGURES)}")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        path, directory = arguments.inside
        inside = Logging(path, Path(directory), quick=arguments.quick)
        inside.bench.title = "logs"
        for name in arguments.only.split(","):
            getattr(inside, name)()
        return inside.bench.report()
    return outside(sys.argv[1:])


def outside(flags: list[str]) -> int:
    """Start a daemon of our own and measure in its namespaces."""
    sys.path.append(str(ROOT / "tests"))
    from support.daemon import Daemon  # noqa: PLC0415  (not needed inside)

    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        where = ("--inside", str(daemon.socket), str(daemon.directory))
        argv = daemon.namespaces.command(sys.executable, __file__, *flags, *where)
        done = subprocess.run(argv, check=False)
        if done.returncode:
            print(daemon.log()[-2000:], file=sys.stderr)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
