"""The engine as a whole, beside its floors: a daemon of its own, in namespaces of its own.

    .venv/bin/python bench/engine.py [--quick] [--only run,exec,...]

Needs root. Each figure and its floor are taken in turn; at most a minute each.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring.api import Api
from measuring.figures import Bench
from measuring.floors import Bundle, answering, ping_socket

from wharfie.supervisor.processes.cover import UnifiedCover

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the daemon fixture

WHARFIE = str(ROOT / ".venv/bin/wharfie")
LISTED = 300
HELD = 20
LOG_BYTES = 200_000_000


class Inside:
    """The measuring program, run inside the daemon's namespaces."""

    def __init__(self, socket: str, directory: Path, *, quick: bool) -> None:
        self.socket = socket
        self.api = Api(socket)
        self.directory = directory
        self.quick = quick
        self.bench = Bench("engine", bound=10 if quick else 60)
        self.bundle = Bundle(directory / "floor", directory / "busybox.tar")

    def rounds(self, count: int) -> int:
        return max(3, count // 10) if self.quick else count

    def create(self, *command: str, network: str = "none", **config: object) -> str:
        """Make a container and return its ID."""
        host = {"NetworkMode": network, **config}
        body = {"Image": "busybox", "Cmd": [*command], "HostConfig": host}
        return str(self.api.document("POST", "/containers/create", body)["Id"])

    def run_true(self, network: str, api: Api | None = None) -> None:
        """One container from create to removed."""
        api = api or self.api
        host = {"NetworkMode": network}
        body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": host}
        container = api.document("POST", "/containers/create", body)["Id"]
        api.call("POST", f"/containers/{container}/start")
        answer = api.document("POST", f"/containers/{container}/wait")
        if answer["StatusCode"] != 0:
            raise RuntimeError(f"exit code {answer['StatusCode']}")
        api.call("DELETE", f"/containers/{container}")

    def run(self) -> None:
        for network in ("none", "bridge"):
            self.bench.measure(
                f"run true, API, {network}",
                lambda network=network: self.run_true(network),
                floor=self.bundle.run,
                floor_name="crun run",
                rounds=self.rounds(40),
            )

    def parallel(self) -> None:
        def sixty_four(network: str) -> None:
            clients = [Api(self.socket) for _ in range(16)]
            with ThreadPoolExecutor(16) as pool:
                jobs = [
                    pool.submit(lambda c=c: [self.run_true(network, c) for _ in range(4)])
                    for c in clients
                ]
                for job in jobs:
                    job.result()
            for client in clients:
                client.close()

        for network in ("none", "bridge"):
            self.bench.measure(
                f"64 runs, 16 at a time, {network}",
                lambda network=network: sixty_four(network),
                floor=lambda: self.bundle.run_many(64, 16),
                floor_name="xargs -P16 crun run",
                rounds=self.rounds(5),
                warm_up=1,
            )

    def cli(self) -> None:
        docker = shutil.which("docker") or str(ROOT / "build/docker-cli/usr/bin/docker")
        for name, program in (("docker", docker), ("wharfie", WHARFIE)):
            for network in ("none", "bridge"):
                arguments = ["run", "--rm", "--network", network, "busybox", "true"]
                self.bench.measure(
                    f"{name} run --rm, {network}",
                    lambda argv=(program, "-H", f"unix://{self.socket}", *arguments): call(argv),
                    floor=self.bundle.run,
                    floor_name="crun run",
                    rounds=self.rounds(20),
                )
        self.bench.measure(
            "wharfie version",
            lambda: call((WHARFIE, "-H", f"unix://{self.socket}", "version")),
            floor=lambda: call((docker, "-H", f"unix://{self.socket}", "version")),
            floor_name="docker version",
            rounds=self.rounds(30),
        )

    def exec(self) -> None:
        container = self.create("sleep", "1000")
        self.api.call("POST", f"/containers/{container}/start")

        def once() -> None:
            body = {"Cmd": ["true"], "AttachStdout": True, "AttachStderr": True}
            made = self.api.document("POST", f"/containers/{container}/exec", body)
            self.api.stream(f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False})
            if self.api.document("GET", f"/exec/{made['Id']}/json")["ExitCode"] != 0:
                raise RuntimeError("exec failed")

        try:
            with self.bundle.running() as floor:
                self.bench.measure(
                    "exec true, API",
                    once,
                    floor=lambda: self.bundle.exec(floor),
                    floor_name="crun exec",
                    rounds=self.rounds(40),
                )
        finally:
            self.remove([container])

    def listing(self) -> None:
        made = [self.create("true") for _ in range(self.rounds(LISTED))]
        try:
            reply = self.api.call("GET", "/containers/json?all=1")
            with answering(self.directory, reply) as path:
                constant = Api(path)
                self.bench.measure(
                    f"list of {len(made)}, {len(reply) // 1000} kB",
                    lambda: void(self.api.call("GET", "/containers/json?all=1")),
                    floor=lambda: void(constant.call("GET", "/containers/json?all=1")),
                    floor_name="same bytes, constant",
                    rounds=self.rounds(100),
                )
        finally:
            self.remove(made)

    def ping(self) -> None:
        with answering(self.directory, b"OK") as path:
            self.bench.measure(
                "/_ping, one connection",
                lambda: ping_socket(self.socket, 1000),
                floor=lambda: ping_socket(path, 1000),
                floor_name="constant answer, uvloop",
                rounds=self.rounds(10),
                unit="us",
            )

    def logs(self) -> None:
        count = LOG_BYTES // (10 if self.quick else 1)
        writer = f"yes {'x' * 99} | head -c {count}"

        def logged() -> float:
            container = self.create("sh", "-c", writer, LogConfig={"Type": "json-file"})
            start = time.perf_counter()
            self.api.call("POST", f"/containers/{container}/start")
            self.api.call("POST", f"/containers/{container}/wait")
            seconds = time.perf_counter() - start
            self.remove([container])
            return count / seconds / 1e6

        def unlogged() -> float:
            start = time.perf_counter()
            shell = f"busybox {writer.replace('| head', '| busybox head')} | cat > /dev/null"
            subprocess.run(["sh", "-c", shell], check=True)
            return count / (time.perf_counter() - start) / 1e6

        self.bench.measure(
            "json-file log, 100 B lines",
            logged,
            floor=unlogged,
            floor_name="same pipe, not logged",
            rounds=self.rounds(5),
            warm_up=1,
            unit="MB/s",
        )

    def memory(self) -> None:
        idle = engine_pss()
        bare = interpreter_pss()
        self.bench.measure(
            "PSS, daemon and supervisor",
            lambda: idle,
            floor=lambda: 2 * bare,
            floor_name="two bare interpreters",
            rounds=1,
            warm_up=0,
            unit="MB",
        )
        held = []
        try:
            for _ in range(HELD):
                held.append(self.create("sleep", "1000"))
                self.api.call("POST", f"/containers/{held[-1]}/start")
            more = (engine_pss() - idle) / HELD * 1000
            self.bench.measure(
                f"PSS more per container of {HELD}",
                lambda: more,
                rounds=1,
                warm_up=0,
                unit="kB",
            )
        finally:
            self.remove(held)

    def remove(self, containers: list[str]) -> None:
        for container in containers:
            self.api.call("DELETE", f"/containers/{container}?force=1")


def void(_: bytes) -> None:
    """Drop a reply, so that the clock measures."""


def call(argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {done.stderr[-150:]}")


def pss(pid: str) -> float:
    """Proportional set size in MB, 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1000


def engine_pss() -> float:
    """All processes of the engine; /proc shows only those of this PID namespace."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"wharfie" in words and b"bench" not in words and b"sleep" not in words:
                total += pss(entry.name)
    return total


def interpreter_pss() -> float:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        size = pss(str(bare.pid))
        bare.kill()
    return size


FIGURES = ("memory", "ping", "listing", "run", "parallel", "exec", "logs", "cli")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {','.join(FIGURES)}")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        socket, directory = arguments.inside
        UnifiedCover().lay()  # the floor's crun refuses hybrid cgroups as ours does
        inside = Inside(socket, Path(directory), quick=arguments.quick)
        for name in arguments.only.split(","):
            getattr(inside, name)()
        return inside.bench.report()
    return outside(sys.argv[1:])


def outside(flags: list[str]) -> int:
    """Start a daemon of our own and measure in its namespaces."""
    from support.daemon import Daemon  # noqa: PLC0415  (not needed inside)

    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        where = ("--inside", str(daemon.socket), str(daemon.directory))
        argv = daemon.namespaces.command(sys.executable, __file__, *flags, *where)
        done = subprocess.run(argv, check=False)
        if done.returncode:
            print(daemon.log()[-2000:], file=sys.stderr)
        print(json.dumps({"leftovers": daemon.leftovers().get("cgroups", [])}), file=sys.stderr)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
