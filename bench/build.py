"""Builds by a whole daemon, beside the bare steps, `cp -a`, and a genuine engine.

    .venv/bin/python bench/build.py [--rounds 3] [--only cold,cached,stages,context,copy]
                                    [--peer unix:///path/to/docker.sock]

Needs root. Floors of the same run: the eight commands run bare one after the other, the sleep of
one stage, `cp -a` of the same tree. `--peer` measures another engine by the same requests; it
needs a busybox:latest.
"""

import argparse
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the daemon fixture

from support.daemon import Daemon, UnixConnection  # noqa: E402

FIGURES = ("cold", "cached", "stages", "context", "copy")
STEPS = [f"dd if=/dev/zero of=/f{n} bs=1M count=40 2>/dev/null; sha256sum /f{n}" for n in range(8)]
FILES = 10_000
CONTEXT_BYTES = 1 << 30


def packed(files: dict[str, bytes]) -> bytes:
    """A tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Engine:
    """One engine behind a socket."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def build(self, archive: bytes, query: str = "") -> float:
        """Seconds of one build at the API; fails loudly."""
        connection = UnixConnection(self._path, timeout=600)
        began = time.perf_counter()
        connection.request(
            "POST", f"/v1.41/build?{query}", archive, {"Content-Type": "application/x-tar"}
        )
        reply = connection.getresponse()
        body = reply.read()
        took = time.perf_counter() - began
        connection.close()
        last = json.loads(body.splitlines()[-1])
        if reply.status != 200 or "error" in last:
            raise SystemExit(f"build failed: {reply.status} {body[-500:]!r}")
        return took


def eight_steps() -> bytes:
    text = "FROM busybox\n" + "".join(f"RUN {step}\n" for step in STEPS)
    return packed({"Dockerfile": text.encode()})


def bare_steps() -> float:
    """The same commands, one process after the other, on the same disk."""
    busybox = shutil.which("busybox") or "/bin/sh"
    shell = [busybox, "sh"] if busybox.endswith("busybox") else [busybox]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        began = time.perf_counter()
        for step in STEPS:
            command = step.replace("/f", f"{scratch}/f")
            subprocess.run([*shell, "-c", command], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def four_stages() -> bytes:
    stages = "".join(
        f"FROM busybox AS s{n}\nRUN sleep 2; echo {time.monotonic_ns()} > /f\n" for n in range(4)
    )
    copies = "".join(f"COPY --from=s{n} /f /f{n}\n" for n in range(4))
    return packed({"Dockerfile": f"{stages}FROM busybox\n{copies}".encode()})


def many_files(directory: Path) -> Path:
    """A folder of 10,000 small files."""
    for number in range(FILES):
        folder = directory / f"d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(f"{number} ".encode() * 200)
    return directory


def middle(measure: Callable[[], float], rounds: int) -> float:
    return statistics.median(measure() for _ in range(rounds))


class Report:
    """Figures, printed as they come."""

    def __init__(self) -> None:
        self.missed = 0

    def tell(self, name: str, value: float, bound: float, what: str) -> None:
        ok = value <= bound
        self.missed += not ok
        word = "ok" if ok else "MISSED"
        print(f"{name:<38}{value:>10.3f} s   bound {bound:>8.3f} s  {word}  {what}")
        sys.stdout.flush()

    def beside(self, name: str, value: float) -> None:
        print(f"{'  genuine: ' + name:<38}{value:>10.3f} s")


def measure_cold(report: Report, ours: Engine, peer: Engine | None, rounds: int) -> None:
    floor = middle(bare_steps, rounds)
    took = middle(lambda: ours.build(eight_steps(), "nocache=1"), rounds)
    report.tell("cold build of 8 steps", took, 1.5 * floor, f"1.5 x bare steps ({floor:.3f})")
    if peer:
        report.beside("cold build of 8 steps", peer.build(eight_steps(), "nocache=1"))


def measure_cached(report: Report, ours: Engine, peer: Engine | None, rounds: int) -> None:
    archive = eight_steps()
    ours.build(archive)
    took = middle(lambda: ours.build(archive), max(rounds, 15))
    report.tell("fully cached build at the API", took, 0.030, "")
    if peer:
        peer.build(archive)
        report.beside("fully cached build", middle(lambda: peer.build(archive), 5))


def measure_stages(report: Report, ours: Engine, peer: Engine | None, rounds: int) -> None:
    took = middle(lambda: ours.build(four_stages()), min(rounds, 3))
    report.tell("four independent stages of 2 s", took, 3.0, "one of them: 2.0")
    if peer:
        report.beside("four stages", peer.build(four_stages()))


def measure_context(report: Report, daemon: Daemon) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = Path(scratch)
        for number in range(1000):
            (folder / f"f{number}").write_bytes(os.urandom(1 << 10) * (CONTEXT_BYTES // 1000 >> 10))
        (folder / "Dockerfile").write_text("FROM busybox\nCOPY f7 /f7\nRUN true\n")
        time.sleep(2.1)  # digests of what is younger are not remembered
        first = by_wharfie(daemon, folder)
        (folder / "f7").write_bytes(b"changed")
        second = by_wharfie(daemon, folder)
    name = "  1 GB context, first build"
    print(f"{name:<38}{first[0]:>10.3f} s   {first[1]:,} bytes sent")
    report.tell("1 GB context, one file changed", second[0], 1.0, f"{second[1]:,} bytes sent")
    if second[1] >= 1_000_000:
        report.missed += 1
        print("MISSED: more than 1 MB sent")


def by_wharfie(daemon: Daemon, folder: Path) -> tuple[float, int]:
    """Seconds until the context was there, and bytes that passed the socket."""
    with Counting(daemon.socket) as proxy:
        done = subprocess.run(
            [
                str(ROOT / ".venv/bin/wharfie"),
                *("-H", f"unix://{proxy.path}"),
                *("build", "--progress=rawjson", str(folder)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        moments = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        ends = [
            vertex
            for moment in moments
            for vertex in moment.get("vertexes", ())  # codespell:ignore vertexes
            if vertex["name"].endswith("build context") and "completed" in vertex
        ]
        begun = [
            vertex["started"]
            for moment in moments
            for vertex in moment.get("vertexes", ())  # codespell:ignore vertexes
            if "load build definition" in vertex["name"]
        ]
        return seconds_between(begun[0], ends[-1]["completed"]), proxy.sent


def seconds_between(first: str, last: str) -> float:
    def moment(text: str) -> float:
        head, _, rest = text.partition(".")
        return datetime.fromisoformat(head).timestamp() + float(f"0.{rest[:9]}")

    return moment(last) - moment(first)


class Counting:
    """A unix socket in between that counts what clients send."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._directory = tempfile.mkdtemp(prefix="wb-")
        self.path = f"{self._directory}/s"
        self.sent = 0

    def __enter__(self) -> "Counting":
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        shutil.rmtree(self._directory)

    def _serve(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.socket(socket.AF_UNIX)
            outer.connect(self._target)
            for source, sink, counts in ((inner, outer, True), (outer, inner, False)):
                threading.Thread(
                    target=self._copy, args=(source, sink), kwargs={"counts": counts}, daemon=True
                ).start()

    def _copy(self, source: socket.socket, sink: socket.socket, *, counts: bool) -> None:
        try:
            while data := source.recv(1 << 18):
                if counts:
                    self.sent += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def measure_copy(report: Report, ours: Engine, peer: Engine | None, rounds: int) -> None:
    """COPY between stages, so that no context is on the way."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        many_files(Path(scratch) / "from")

        def plain() -> float:
            target = Path(scratch) / "to"
            shutil.rmtree(target, ignore_errors=True)
            began = time.perf_counter()
            subprocess.run(["cp", "-a", f"{scratch}/from", str(target)], check=True)
            return time.perf_counter() - began

        floor = middle(plain, rounds)
    make = (
        "RUN i=0; while [ $i -lt 100 ]; do mkdir -p /d/$i; j=0; while [ $j -lt 100 ]; do "
        "echo $i $j > /d/$i/$j; j=$((j+1)); done; i=$((i+1)); done"
    )
    base = packed({"Dockerfile": f"FROM busybox\n{make}\n".encode()})

    def copy(engine: Engine) -> float:
        mark = time.monotonic_ns()
        text = f"FROM bench/files AS made\nFROM busybox\nLABEL m={mark}\nRUN echo {mark} > /m\n"
        bare = engine.build(packed({"Dockerfile": text.encode()}))
        mark += 1
        text = text.replace(str(mark - 1), str(mark)) + "COPY --from=made /d /d\n"
        return engine.build(packed({"Dockerfile": text.encode()})) - bare

    for engine in filter(None, (ours, peer)):
        engine.build(base, "t=bench/files")
    took = middle(lambda: copy(ours), rounds)
    report.tell("COPY of 10,000 files", took, 1.5 * floor, f"1.5 x cp -a ({floor:.3f})")
    if peer:
        report.beside("COPY of 10,000 files", copy(peer))


def main() -> int:
    """Measure what is asked for; 1 when a bound was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(FIGURES))
    parser.add_argument("--peer", default="")
    options = parser.parse_args()
    wanted = options.only.split(",")
    peer = Engine(options.peer.removeprefix("unix://")) if options.peer else None
    report = Report()
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        ours = Engine(str(daemon.socket))
        if "cold" in wanted:
            measure_cold(report, ours, peer, options.rounds)
        if "cached" in wanted:
            measure_cached(report, ours, peer, options.rounds)
        if "stages" in wanted:
            measure_stages(report, ours, peer, options.rounds)
        if "context" in wanted:
            measure_context(report, daemon)
        if "copy" in wanted:
            measure_copy(report, ours, peer, options.rounds)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
