"""Events of a real daemon: sequence, attributes, history over restarts, a reader that sleeps."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from urllib.parse import quote

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root


def past(daemon: Daemon, since: float, **filters: list[str]) -> list[dict[str, object]]:
    """Events from `since` until now."""
    text = quote(json.dumps(filters))
    until = time.time() + 0.001
    status, reply = daemon.request("GET", f"/events?since={since}&until={until}&filters={text}")
    assert status == 200, reply
    return [json.loads(line) for line in reply.splitlines()]


def create(daemon: Daemon, name: str, *command: str, **host: object) -> str:
    body = {"Image": "busybox", "Cmd": [*command], "Labels": {"tier": name}, "HostConfig": host}
    made = daemon.json("POST", f"/containers/create?name={name}", body)
    return str(made["Id"])  # type: ignore[index]


def test_b106_a_run_tells_its_events_in_order(shared_daemon: Daemon) -> None:
    since = time.time()
    ref = create(shared_daemon, "b106", "sh", "-c", "exit 3")
    shared_daemon.json("POST", f"/containers/{ref}/start")
    shared_daemon.json("POST", f"/containers/{ref}/wait")
    shared_daemon.request("DELETE", f"/containers/{ref}")
    events = past(shared_daemon, since)
    told = [
        (one["Type"], one["Action"])
        for one in events
        if ref in (one["Actor"]["ID"], one["Actor"]["Attributes"].get("container"))  # type: ignore[index]
    ]
    assert told == [
        ("container", "create"),
        ("network", "connect"),
        ("container", "start"),
        ("container", "die"),
        ("network", "disconnect"),
        ("container", "destroy"),
    ]


def test_b100_b101_messages_have_dockers_fields(shared_daemon: Daemon) -> None:
    since = time.time()
    ref = create(shared_daemon, "b101", "sh", "-c", "exit 3", NetworkMode="none")
    shared_daemon.json("POST", f"/containers/{ref}/rename?name=b101b")
    shared_daemon.json("POST", f"/containers/{ref}/start")
    shared_daemon.json("POST", f"/containers/{ref}/wait")
    shared_daemon.request("DELETE", f"/containers/{ref}")
    by_action = {str(one["Action"]): one for one in past(shared_daemon, since, container=[ref])}
    die = by_action["die"]
    assert die["Type"] == "container"
    assert die["scope"] == "local"
    assert (die["status"], die["id"], die["from"]) == ("die", ref, "busybox")
    assert die["timeNano"] // 1_000_000_000 == die["time"]  # type: ignore[operator]
    attributes = die["Actor"]["Attributes"]  # type: ignore[index]
    assert attributes == {
        "image": "busybox",
        "name": "b101b",
        "tier": "b101",
        "exitCode": "3",
        "execDuration": "0",
    }
    renamed = by_action["rename"]["Actor"]["Attributes"]  # type: ignore[index]
    assert (renamed["oldName"], renamed["name"]) == ("/b101", "b101b")


def test_b102_execs_tell_their_command_and_code(shared_daemon: Daemon) -> None:
    since = time.time()
    ref = create(shared_daemon, "b102", "sleep", "100", NetworkMode="none")
    shared_daemon.json("POST", f"/containers/{ref}/start")
    done = shared_daemon.docker("exec", ref, "sh", "-c", "exit 9")
    assert done.returncode == 9
    shared_daemon.json("POST", f"/containers/{ref}/kill?signal=CONT")
    shared_daemon.request("DELETE", f"/containers/{ref}?force=1")
    events = past(shared_daemon, since, container=[ref])
    actions = [one["Action"] for one in events]
    wanted = ["exec_create: sh -c exit 9", "exec_start: sh -c exit 9", "exec_die", "kill"]
    assert [one for one in actions if str(one).startswith(("exec", "kill"))][:4] == wanted
    died = next(one for one in events if one["Action"] == "exec_die")
    assert died["Actor"]["Attributes"]["exitCode"] == "9"  # type: ignore[index]
    assert len(died["Actor"]["Attributes"]["execID"]) == 64  # type: ignore[index]
    killed = next(one for one in events if one["Action"] == "kill")
    assert killed["Actor"]["Attributes"]["signal"] == "18"  # type: ignore[index]
    chosen = past(shared_daemon, since, container=[ref], event=["exec_create"])
    assert [one["Action"] for one in chosen] == wanted[:1]


def test_b107_the_past_ends_and_impossible_times_are_refused(shared_daemon: Daemon) -> None:
    status, reply = shared_daemon.request("GET", "/events?since=20&until=10")
    assert status == 400
    assert b"cannot be after `until` time" in reply
    assert shared_daemon.request("GET", "/events?until=10") == (200, b"")


def test_history_outlives_a_restart_and_a_kill() -> None:
    since = time.time()
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        first = create(daemon, "first", "true")
        daemon.restart()
        second = create(daemon, "second", "true")
        written = f'"Action":"create","Actor":{{"ID":"{second}"'.encode()
        for _ in poll("the event on disk"):
            if written in (daemon.data_root / "engine.db-wal").read_bytes():
                break
        daemon.kill9()
        daemon.start()
        told = [one["Actor"]["ID"] for one in past(daemon, since, event=["create"])]  # type: ignore[index]
        assert [one for one in told if one in (first, second)] == [first, second]


def test_a_reader_that_sleeps_is_cut_off_and_others_hear_all(shared_daemon: Daemon) -> None:
    """One subscriber reads nothing while thousands of events pass; another reads them all."""
    count = 6000
    ref = create(shared_daemon, "slow", "sleep", "100", NetworkMode="none")
    request = b"GET /events?filters=%7B%22container%22%3A%5B%22slow%22%5D%7D HTTP/1.0\r\n\r\n"
    with contextlib.ExitStack() as stack:
        sleeper, reader, writer = (
            stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in "abc"
        )
        for one in (sleeper, reader, writer):
            one.settimeout(30)
            one.connect(str(shared_daemon.socket))
        sleeper.sendall(request)
        reader.sendall(request)
        assert reader.recv(4096)
        head = f"POST /containers/{ref}/resize?h=1&w=1 HTTP/1.1"
        ask = f"{head}\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
        shared_daemon.json("POST", f"/containers/{ref}/start")
        seen = b""
        for _ in range(count // 50):
            writer.sendall(ask.encode() * 50)
            answered = b""
            while answered.count(b"HTTP/1.1 ") < 50:
                answered += writer.recv(1 << 16)
            while seen.count(b'"resize"') < answered.count(b" 200 OK"):
                seen += reader.recv(1 << 16)
            seen = b""
        listeners = shared_daemon.json("GET", "/info")["NEventsListener"]  # type: ignore[index]
        assert listeners == 1
        data = b""
        while piece := sleeper.recv(1 << 16):
            data += piece
        assert data.count(b'"Action":"resize"') < count
    shared_daemon.request("DELETE", f"/containers/{ref}?force=1")
