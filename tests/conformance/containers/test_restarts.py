"""Restart policies with real processes, across stops, crashes and restarts of the daemon."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def inspect(daemon: Daemon, ref: str) -> dict[str, object]:
    (found,) = json.loads(output(daemon, "inspect", ref))
    return {**found["State"], "RestartCount": found["RestartCount"]}


def until(
    daemon: Daemon, ref: str, holds: Callable[[dict[str, object]], bool]
) -> dict[str, object]:
    for _ in poll(f"a state of {ref}: {inspect(daemon, ref)}", 30):
        state = inspect(daemon, ref)
        if holds(state):
            return state
    raise AssertionError


def is_running(state: dict[str, object]) -> bool:
    return state["Status"] == "running"


def test_b062_the_pause_before_a_restart_doubles(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "backoff"
    output(daemon, "run", "-d", "--name", name, "--restart", "on-failure:4", "busybox", "false")
    try:
        state = until(daemon, name, lambda s: s["Status"] == "exited")
        assert (state["RestartCount"], state["ExitCode"]) == (4, 1)
        filters = quote(json.dumps({"container": [name], "event": ["start"]}))
        _, body = daemon.request(
            "GET", f"/events?since=0&until={time.time():.3f}&filters={filters}"
        )
        starts = [json.loads(line)["timeNano"] / 1e9 for line in body.splitlines()]
        pauses = [b - a for a, b in itertools.pairwise(starts)]
        assert len(pauses) == 4
        assert all(
            pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=True)
        )
        output(daemon, "start", name)
        until(daemon, name, lambda s: s["RestartCount"] == 1)  # b063: begun anew
    finally:
        output(daemon, "rm", "-f", name)


def test_b054_b062_a_stop_while_it_waits_to_restart_is_the_end(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "waiting"
    output(daemon, "run", "-d", "--name", name, "--restart", "always", "busybox", "false")
    try:
        state = until(daemon, name, lambda s: s["RestartCount"] >= 4 and s["Restarting"])  # type: ignore[operator]
        assert state["Running"] is True  # b051
        for _ in poll("the word of a list for it", 30):
            if "Restarting (1)" in output(daemon, "ps", "--filter", f"name={name}"):
                break
        output(daemon, "stop", name)
        assert inspect(daemon, name)["Status"] == "exited"
    finally:
        output(daemon, "rm", "-f", name)


def test_b062_policies_across_a_crash_of_the_daemon(daemon: Daemon) -> None:
    daemon.load_busybox()

    def run(name: str, policy: str, *command: str) -> None:
        output(daemon, "run", "-d", "--name", name, "--restart", policy, "busybox",
               *(command or ("sleep", "300")))  # fmt: skip

    for policy in ("no", "always", "unless-stopped"):
        run(f"{policy}-live", policy)
        run(f"{policy}-killed", policy)
        run(f"{policy}-stopped", policy)
        output(daemon, "stop", "-t", "0", f"{policy}-stopped")
    run("on-failure-killed", "on-failure")
    run("on-failure-done", "on-failure", "true")
    run("on-failure-used-up", "on-failure:1", "false")
    until(daemon, "on-failure-used-up", lambda s: s["Status"] == "exited")
    assert inspect(daemon, "on-failure-used-up")["RestartCount"] == 1
    before = {name: inspect(daemon, name) for name in output(daemon, "ps", "-a", "--format",
              "{{.Names}}").splitlines()}  # fmt: skip
    daemon.kill9()
    for name, state in before.items():
        if name.endswith("-killed"):
            assert daemon.namespaces.run("kill", "-9", str(state["Pid"])).returncode == 0
    daemon.start()
    for name in ("always-killed", "unless-stopped-killed", "on-failure-killed", "always-stopped"):
        state = until(daemon, name, is_running)
        assert state["Pid"] not in (0, before[name]["Pid"]), name
    for name in ("no-live", "always-live", "unless-stopped-live"):
        assert inspect(daemon, name)["Pid"] == before[name]["Pid"]
    for name in ("no-stopped", "unless-stopped-stopped", "on-failure-done", "on-failure-used-up"):
        assert inspect(daemon, name)["StartedAt"] == before[name]["StartedAt"], name
    killed = inspect(daemon, "no-killed")
    assert (killed["Status"], killed["ExitCode"]) == ("exited", 137)
    output(daemon, "rm", "-f", *before)


def test_b062_policies_across_a_shutdown_that_stops_everything(daemon: Daemon) -> None:
    daemon.restart("--live-restore=false", "--shutdown-timeout", "1")
    daemon.load_busybox()
    policies = ("no", "always", "unless-stopped", "on-failure")
    for policy in policies:
        output(
            daemon, "run", "-d", "--name", policy, "--restart", policy, "busybox", "sleep", "300"
        )
    daemon.restart()
    for policy in ("always", "unless-stopped", "on-failure"):
        until(daemon, policy, is_running)
    assert inspect(daemon, "no")["Status"] == "exited"
    output(daemon, "rm", "-f", *policies)
