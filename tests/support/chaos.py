"""Faults beside healthy containers: what does a fork bomb cost its neighbours?

    .venv/bin/python tests/support/chaos.py [--seed N] [--healthy 50] [--seconds 15]

A daemon of its own, in namespaces of its own. Healthy containers echo what they are sent. First
their answers and the API's are timed undisturbed, then beside a fork bomb (bounded by its pids
limit), a memory hog (by its memory), a flood of logs (by rotation), a frozen container, and a
supervisor that is stopped now and then; every one but the last has half a processor. Same seed,
same order and moments. Ends within a minute; exit status 1 when something is not as it must be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.daemon import Daemon
from support.netns import poll

PIDS = 64
LOG_BYTES = 1_000_000
LOG_FILES = 2
MIB = 1 << 20
HALF = 500_000_000
"""NanoCpus of a disturber."""
RATIO = 2.0
NOISE_MS = 2.0
"""Differences below this are the machine's."""

BOMB = "bomb() { bomb | bomb & }; bomb; sleep 1000"
HOG = "x=0123456789; while :; do x=$x$x; done"
FLOOD = "yes 0123456789012345678901234567890123456789012345678901234567890123456789"


class Echo:
    """A healthy container: answers every line with itself, through an attached client."""

    def __init__(self, daemon: Daemon, number: int) -> None:
        self.daemon = daemon
        body = {
            "Image": "busybox",
            "Cmd": ["cat"],
            "OpenStdin": True,
            "HostConfig": {"NetworkMode": "none"},
        }
        self.ref = create(daemon, f"healthy{number}", body)
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(20)
        self._connection.connect(str(daemon.socket))
        path = f"/containers/{self.ref}/attach?stream=1&stdin=1&stdout=1"
        head = f"POST {path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        self._connection.sendall(head.encode())
        self._rest = b""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._connection.recv(4096)
        assert b" 101 " in self._rest, self._rest
        self._rest = self._rest.partition(b"\r\n\r\n")[2]
        daemon.json("POST", f"/containers/{self.ref}/start")

    def round_trip(self) -> float:
        """Milliseconds until a line came back."""
        line = os.urandom(8).hex().encode() + b"\n"
        started = time.perf_counter()
        self._connection.sendall(line)
        while line not in self._rest:
            piece = self._connection.recv(4096)
            assert piece, "the healthy container is gone"
            self._rest += piece
        self._rest = self._rest.partition(line)[2]
        return (time.perf_counter() - started) * 1000

    def close(self) -> None:
        self._connection.close()


@dataclass
class Samples:
    """Milliseconds, by what was timed and in which phase."""

    calm: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)


def create(daemon: Daemon, name: str, body: dict[str, object]) -> str:
    made = daemon.json("POST", f"/containers/create?name={name}", body)
    return str(made["Id"])  # type: ignore[index]


def share(samples: list[float], part: float) -> float:
    """The sample that `part` of all do not exceed."""
    return sorted(samples)[min(len(samples) - 1, int(part * len(samples)))]


class Chaos:
    """One run.

    Args:
        daemon: running, with a busybox image; of this run alone.
        seed: of everything that is random.
        healthy: containers that must not notice.
        seconds: of either phase.
    """

    def __init__(self, daemon: Daemon, *, seed: int, healthy: int, seconds: float) -> None:
        self.daemon = daemon
        self.problems: list[str] = []
        self.samples: dict[str, Samples] = {}
        self._random = random.Random(seed)
        self._healthy = [Echo(daemon, number) for number in range(healthy)]
        self._seconds = seconds
        self._since = time.time()
        self._refs: dict[str, str] = {}
        self._stops = 0
        self._is_over = threading.Event()

    def run(self) -> None:
        """Both phases, then the reckoning; `problems` says what was not as it must be."""
        try:
            self._measure("calm")
            with self._faults():
                self._measure("disturbed")
            self._reckon()
        finally:
            for echo in self._healthy:
                echo.close()

    # --- measuring

    def _measure(self, phase: str) -> None:
        kinds: dict[str, Callable[[], float]] = {
            "echo of a healthy container": lambda: self._random.choice(self._healthy).round_trip(),
            "list": lambda: self._ask("GET", "/containers/json"),
            "inspect": lambda: self._ask("GET", f"/containers/{self._healthy[0].ref}/json"),
            "run true": self._run_true,
        }
        weights = [6, 2, 2, 1]
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            (kind,) = self._random.choices(list(kinds), weights)
            samples = self.samples.setdefault(kind, Samples())
            getattr(samples, phase).append(kinds[kind]())
            time.sleep(0.002)

    def _ask(self, method: str, path: str) -> float:
        started = time.perf_counter()
        status, reply = self.daemon.request(method, path)
        assert status < 300, reply
        return (time.perf_counter() - started) * 1000

    def _run_true(self) -> float:
        started = time.perf_counter()
        body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
        made = self.daemon.json("POST", "/containers/create", body)
        ref = made["Id"]  # type: ignore[index]
        self.daemon.json("POST", f"/containers/{ref}/start")
        ended = self.daemon.json("POST", f"/containers/{ref}/wait")
        assert ended["StatusCode"] == 0  # type: ignore[index]
        self.daemon.request("DELETE", f"/containers/{ref}")
        return (time.perf_counter() - started) * 1000

    # --- faults

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        faults: list[tuple[str, str, dict[str, object]]] = [
            ("bomb", BOMB, {"PidsLimit": PIDS, "Memory": 64 * MIB, "MemorySwap": 64 * MIB}),
            ("hog", HOG, {"Memory": 24 * MIB, "MemorySwap": 24 * MIB}),
            ("flood", FLOOD, {"LogConfig": log_config()}),
            ("frozen", "while :; do echo tick; sleep 0.05; done", {}),
        ]
        self._random.shuffle(faults)
        for name, script, host in faults:
            limits = {"NetworkMode": "none", "NanoCpus": HALF, **host}
            body = {"Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": limits}
            self._refs[name] = create(self.daemon, name, body)
            self.daemon.json("POST", f"/containers/{self._refs[name]}/start")
        self.daemon.json("POST", f"/containers/{self._refs['frozen']}/pause")
        stopper = threading.Thread(target=self._stop_supervisor_now_and_then)
        stopper.start()
        try:
            yield
        finally:
            self._is_over.set()
            stopper.join()
            self._check_bounds()
            for name in ("bomb", "flood", "frozen"):
                self.daemon.request("POST", f"/containers/{self._refs[name]}/kill")

    def _stop_supervisor_now_and_then(self) -> None:
        choice = random.Random(self._random.random())
        while not self._is_over.wait(choice.uniform(0.5, 2.5)):
            os.kill(supervisor_of(self.daemon), signal.SIGSTOP)
            self._stops += 1

    # --- reckoning

    def _check_bounds(self) -> None:
        shown = self.daemon.docker("exec", self._healthy[0].ref, "true")
        self._expect(shown.returncode == 0, f"exec in a healthy container: {shown.stderr}")
        pids = self._cgroup_number("bomb", "pids.current")
        self._expect(pids is None or 1 <= pids <= PIDS, f"the bomb has {pids} processes")
        folder = self.daemon.data_root / "containers" / self._refs["flood"]
        size = sum(file.stat().st_size for file in folder.glob("*-json.log*"))
        bound = LOG_BYTES * LOG_FILES + 600_000
        self._expect(100_000 < size <= bound, f"the flood's log has {size} bytes")

    def _cgroup_number(self, name: str, file: str) -> int | None:
        for group in self.daemon.cgroups():
            if group.name == self._refs[name] and (group / file).exists():
                return int((group / file).read_text())
        return None

    def _reckon(self) -> None:
        for name, ref in self._refs.items():
            ended = self.daemon.json("POST", f"/containers/{ref}/wait")
            code = ended["StatusCode"]  # type: ignore[index]
            self._expect(code == 137, f"{name} ended with {code} instead of 137")
            state = self.daemon.json("GET", f"/containers/{ref}/json")["State"]  # type: ignore[index]
            self._expect(
                state["OOMKilled"] == (name == "hog"), f"OOMKilled of {name}: {state['OOMKilled']}"
            )
        self._check_events()
        listed = self.daemon.json("GET", "/containers/json")
        alive = {one["Id"] for one in listed}  # type: ignore[union-attr]
        self._expect(
            all(echo.ref in alive for echo in self._healthy), "a healthy container is gone"
        )
        self._expect(self._stops > 0, "the supervisor was never stopped")

    def _check_events(self) -> None:
        text = quote(json.dumps({"event": ["oom", "die"]}))
        until = time.time() + 0.01
        _, reply = self.daemon.request(
            "GET", f"/events?since={self._since}&until={until}&filters={text}"
        )
        told: dict[str, list[str]] = {}
        for line in reply.splitlines():
            event = json.loads(line)
            facts = event["Actor"]["Attributes"]
            told.setdefault(event["Actor"]["ID"], []).append(
                event["Action"] + facts.get("exitCode", "")
            )
        for name, ref in self._refs.items():
            wanted = ["oom", "die137"] if name == "hog" else ["die137"]
            found = told.get(ref, [])
            # The kernel may strike several times before the first process dies.
            found = [one for n, one in enumerate(found) if not n or one != found[n - 1]]
            self._expect(found == wanted, f"events of {name}: {told.get(ref)}")
        dead = [echo.ref for echo in self._healthy if echo.ref in told]
        self._expect(not dead, f"healthy containers died: {dead}")

    def _expect(self, is_so: bool, otherwise: str) -> None:  # reads as a sentence
        if not is_so:
            self.problems.append(otherwise)

    def report(self) -> Iterator[str]:
        """A line a figure: undisturbed, disturbed, their ratio."""
        columns = f"{'calm p50':>9}{'p95':>8}{'chaos p50':>11}{'p95':>8}{'ratio':>7}"
        yield f"{'milliseconds':<30}{columns}"
        for kind, one in self.samples.items():
            calm, stirred = statistics.median(one.calm), statistics.median(one.disturbed)
            yield (
                f"{kind:<30}{calm:>9.2f}{share(one.calm, 0.95):>8.2f}{stirred:>11.2f}"
                f"{share(one.disturbed, 0.95):>8.2f}{stirred / calm:>7.2f}"
            )
        yield f"the supervisor was stopped {self._stops} times"

    def slow(self) -> list[str]:
        """Figures that were more than twice as slow beside the faults, but for noise."""
        found = []
        for kind, one in self.samples.items():
            calm, stirred = statistics.median(one.calm), statistics.median(one.disturbed)
            if stirred > RATIO * calm + NOISE_MS:
                found.append(f"{kind}: {stirred:.1f} ms instead of {calm:.1f}")
        return found


def log_config() -> dict[str, object]:
    options = {"max-size": str(LOG_BYTES), "max-file": str(LOG_FILES)}
    return {"Type": "json-file", "Config": options}


def supervisor_of(daemon: Daemon) -> int:
    """Its pid, as the host sees it."""
    for _ in poll("a supervisor"):
        for pid, name in daemon.namespaces.processes().items():
            if "wharfie.supervisor" in name:
                return pid
    raise AssertionError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--healthy", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        chaos = Chaos(
            daemon, seed=arguments.seed, healthy=arguments.healthy, seconds=arguments.seconds
        )
        chaos.run()
    print("\n".join(chaos.report()))
    problems = chaos.problems + chaos.slow()
    for problem in problems:
        print(f"WRONG: {problem}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
