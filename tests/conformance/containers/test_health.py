"""Health checks of real containers, as the docker CLI and the events show them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root
FAST = ["--health-interval", "100ms", "--health-timeout", "5s"]


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def health(daemon: Daemon, ref: str) -> dict[str, object]:
    found = json.loads(output(daemon, "inspect", "-f", "{{json .State.Health}}", ref))
    assert isinstance(found, dict)
    return found


def until(daemon: Daemon, ref: str, holds: Callable[[dict[str, object]], bool]) -> None:
    for _ in poll(f"health of {ref}: {health(daemon, ref)}", 30):
        if holds(health(daemon, ref)):
            return


def changes(daemon: Daemon, name: str) -> list[str]:
    """Health states the events told of, oldest first; now, to the nanosecond."""
    filters = quote(json.dumps({"container": {name: True}, "event": {"health_status": True}}))
    now = time.time_ns()
    until = f"{now // 10**9}.{now % 10**9:09d}"
    status, body = daemon.request("GET", f"/events?since=0&until={until}&filters={filters}")
    assert status == 200
    actions = [json.loads(line)["Action"] for line in body.splitlines()]
    return [action.removeprefix("health_status: ") for action in actions]


def is_status(wanted: str) -> Callable[[dict[str, object]], bool]:
    return lambda found: found["Status"] == wanted


def test_b110_b114_a_container_gets_healthy_then_ill_then_well(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    name = "well"
    output(daemon, "run", "-d", "--name", name, *FAST, "--health-retries", "2",
           "--health-cmd", "echo looked; test -e /ok", "--health-start-period", "1m",
           "--health-start-interval", "100ms", "busybox", "sleep", "300")  # fmt: skip
    try:
        assert "(health: starting)" in output(daemon, "ps", "--filter", f"name={name}")
        output(daemon, "exec", name, "touch", "/ok")
        until(daemon, name, is_status("healthy"))
        assert "(healthy)" in output(daemon, "ps", "--filter", "health=healthy")
        assert name not in output(daemon, "ps", "--filter", "health=none")
        output(daemon, "exec", name, "rm", "/ok")
        until(daemon, name, is_status("unhealthy"))
        until(daemon, name, lambda found: len(found["Log"]) == 5)  # type: ignore[arg-type]
        (*_, last) = health(daemon, name)["Log"]  # type: ignore[misc]
        assert (last["ExitCode"], last["Output"]) == (1, "looked\n")
        assert "(unhealthy)" in output(daemon, "ps", "--filter", "health=unhealthy")
        output(daemon, "exec", name, "touch", "/ok")
        until(daemon, name, is_status("healthy"))
        assert changes(daemon, name)[:3] == ["healthy", "unhealthy", "healthy"]
    finally:
        output(daemon, "rm", "-f", name)


def test_b111_a_probe_that_hangs_is_ended(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "hanging"
    output(daemon, "run", "-d", "--name", name, "--health-interval", "100ms",
           "--health-timeout", "300ms", "--health-retries", "1", "--health-cmd",
           "echo begun; exec sleep 1234", "busybox", "sleep", "300")  # fmt: skip
    try:
        until(daemon, name, is_status("unhealthy"))
        first = health(daemon, name)["Log"][0]  # type: ignore[index]
        assert first["ExitCode"] == -1
        assert first["Output"].startswith("Health check exceeded timeout (300ms)")
        for _ in poll("the end of killed probes", 20):
            if output(daemon, "top", name).count("sleep 1234") <= 1:
                break
    finally:
        output(daemon, "rm", "-f", name)


def test_b112_none_takes_the_images_check_away(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "unchecked"
    output(daemon, "run", "-d", "--name", name, "--no-healthcheck", "busybox", "sleep", "300")
    try:
        state = json.loads(output(daemon, "inspect", "-f", "{{json .State}}", name))
        assert "Health" not in state
        assert name in output(daemon, "ps", "--filter", "health=none", "--format", "{{.Names}}")
    finally:
        output(daemon, "rm", "-f", name)


def test_b113_health_goes_on_after_the_daemon_was_killed(daemon: Daemon) -> None:
    daemon.load_busybox()
    output(daemon, "run", "-d", "--name", "web", *FAST, "--health-cmd", "test -e /ok",
           "busybox", "sh", "-c", "touch /ok; exec sleep 300")  # fmt: skip
    until(daemon, "web", is_status("healthy"))
    daemon.kill9()
    daemon.start()
    assert health(daemon, "web")["Status"] == "healthy"
    output(daemon, "exec", "web", "rm", "/ok")
    until(daemon, "web", is_status("unhealthy"))
    output(daemon, "stop", "-t", "0", "web")
    assert health(daemon, "web")["Status"] == "unhealthy"
    output(daemon, "rm", "web")
