"""kill -9 of the daemon at random moments under load, and of its supervisor.

Whatever the moment: after the restart every object is whole, every exit code that a container
earned is known, and nothing is left over that no object owns.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from support.daemon import Daemon, UnixConnection

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROUNDS = int(os.environ.get("WHARFIE_CHAOS_ROUNDS", "50"))
GONE = (OSError, http.client.HTTPException)


class Load:
    """Clients that create, start, stop, remove and load until told to stop.

    Every container ends by itself with a code in its label, unless it is killed (128+n).
    """

    def __init__(self, daemon: Daemon, archive: bytes, seed: int) -> None:
        self._daemon = daemon
        self._archive = archive
        self._stop = threading.Event()
        self._random = random.Random(seed)
        self._threads = [
            threading.Thread(target=self._churn, args=(random.Random(seed + n),)) for n in range(6)
        ]
        self._threads.append(threading.Thread(target=self._load))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"

    def _churn(self, choice: random.Random) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(*GONE):
                self._one(choice)
            time.sleep(0.005)

    def _one(self, choice: random.Random) -> None:
        code = choice.randrange(1, 120)
        pause = choice.choice(["0", "0.05", "0.3", "30"])
        body = {
            "Image": "busybox",
            "Cmd": ["sh", "-c", f"sleep {pause}; exit {code}"],
            "Labels": {"code": str(code)},
            "HostConfig": {"NetworkMode": choice.choice(["bridge", "none", "host"])},
        }
        status, reply = self._daemon.request("POST", "/containers/create", body)
        if status != 201:
            return
        ref = json.loads(reply)["Id"]
        self._daemon.request("POST", f"/containers/{ref}/start")
        match choice.randrange(4):
            case 0:
                self._daemon.request("POST", f"/containers/{ref}/stop?t=0")
            case 1:
                self._daemon.request("DELETE", f"/containers/{ref}?force=1")
            case 2:
                self._daemon.request("POST", f"/containers/{ref}/kill")
            case _:
                return

    def _load(self) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(*GONE),
                contextlib.closing(UnixConnection(self._daemon.socket)) as connection,
            ):
                connection.request("POST", "/images/load", self._archive)
                connection.getresponse().read()
            time.sleep(0.05)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


def containers(daemon: Daemon) -> list[dict[str, object]]:
    listed = daemon.json("GET", "/containers/json?all=1")
    assert isinstance(listed, list)
    inspected = [daemon.json("GET", f"/containers/{one['Id']}/json") for one in listed]
    assert all(isinstance(one, dict) for one in inspected)
    return inspected  # type: ignore[return-value]


def check_whole(daemon: Daemon) -> None:
    """Every container is in a state it can be in, and has the code it earned."""
    for one in containers(daemon):
        state, code = one["State"], int(one["Config"]["Labels"]["code"])  # type: ignore[index]
        name = f"{one['Name']} {state}"
        assert state["Status"] in ("created", "running", "exited"), name  # type: ignore[index]
        if state["Status"] == "running":  # type: ignore[index]
            assert state["Pid"] > 0, name  # type: ignore[index]
        if state["Status"] == "exited":  # type: ignore[index]
            assert state["ExitCode"] in (code, 137, 143), name  # type: ignore[index]
        if state["Status"] == "created":  # type: ignore[index]
            assert state["Pid"] == 0, name  # type: ignore[index]


def remove_all(daemon: Daemon) -> None:
    for one in containers(daemon):
        status, reply = daemon.request("DELETE", f"/containers/{one['Id']}?force=1&v=1")
        assert status in (204, 404), reply


def settled(daemon: Daemon) -> dict[str, list[str]]:
    """What is left over beside the engine's own, once background work had time to end."""
    left: dict[str, list[str]] = {}
    # Long, as an ending process waits for the kernel to tear down its namespaces.
    for _ in range(600):
        left = daemon.leftovers()
        left.pop("bridges", None)
        left.pop("tables", None)
        left["processes"] = [
            name
            for name in left.get("processes", [])
            if not any(own in name for own in ("wharfie", "sleep infinity", "sh -c", "unshare"))
        ]
        # Network namespaces kept ready have one veth each.
        left = {kind: found for kind, found in left.items() if found and kind != "veths"}
        if not left:
            break
        time.sleep(0.05)
    return left


@pytest.mark.timeout(600)
def test_kill_9_of_the_daemon_at_random_moments_leaves_everything_whole(daemon: Daemon) -> None:
    archive = (daemon.directory / "busybox.tar").read_bytes()
    choice = random.Random(4711)
    for number in range(ROUNDS):
        with Load(daemon, archive, number):
            time.sleep(choice.uniform(0.02, 0.6))
            daemon.kill9()
        daemon.start()
        check_whole(daemon)
        if number % 10 == 9:
            remove_all(daemon)
            assert settled(daemon) == {}
            assert os.listdir(daemon.data_root / "containers") == []
    remove_all(daemon)
    assert settled(daemon) == {}
    assert daemon.stop() == 0
    assert daemon.cgroups() == []


@pytest.mark.timeout(120)
def test_exit_codes_are_known_of_what_ended_while_no_daemon_was_there(daemon: Daemon) -> None:
    refs = {}
    for code in range(20, 28):
        body = {"Image": "busybox", "Cmd": ["sh", "-c", f"sleep 0.4; echo {code}; exit {code}"]}
        made = daemon.json("POST", "/containers/create", body)
        ref = made["Id"]  # type: ignore[index]
        daemon.json("POST", f"/containers/{ref}/start")
        refs[ref] = code
    daemon.kill9()
    time.sleep(1.0)
    daemon.start()
    for ref, code in refs.items():
        shown = daemon.json("GET", f"/containers/{ref}/json")
        assert shown["State"]["ExitCode"] == code  # type: ignore[index]
        _, logs = daemon.request("GET", f"/containers/{ref}/logs?stdout=1")
        assert logs[8:] == f"{code}\n".encode()


@pytest.mark.timeout(120)
def test_kill_9_of_the_supervisor_loses_no_container_no_line_and_no_code(daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.02; done; exit 37"
    refs = []
    for _ in range(4):
        made = daemon.json("POST", "/containers/create", {"Image": "busybox",
                                                          "Cmd": ["sh", "-c", script]})  # fmt: skip
        refs.append(made["Id"])  # type: ignore[index]
        daemon.json("POST", f"/containers/{refs[-1]}/start")
    time.sleep(0.3)
    pids = [
        pid for pid, name in daemon.namespaces.processes().items() if "wharfie.supervisor" in name
    ]
    assert len(pids) == 1, daemon.namespaces.processes()
    os.kill(pids[0], signal.SIGKILL)
    for ref in refs:
        reply = daemon.json("POST", f"/containers/{ref}/wait")
        assert reply["StatusCode"] == 37  # type: ignore[index]
        _, logs = daemon.request("GET", f"/containers/{ref}/logs?stdout=1")
        lines = [line for line in logs.decode(errors="replace").split("\n") if "line" in line]
        assert len(lines) >= 59, lines
    made = daemon.json("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})
    daemon.json("POST", f"/containers/{made['Id']}/start")  # type: ignore[index]
    reply = daemon.json("POST", f"/containers/{made['Id']}/wait")  # type: ignore[index]
    assert reply["StatusCode"] == 0  # type: ignore[index]
