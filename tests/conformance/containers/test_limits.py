"""Limits of real containers: in their cgroups, changed live, and what is warned of."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root
V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def limit(daemon: Daemon, ref: str, controller: str, v1: str, v2: str) -> str:
    """A control file of a container's cgroup."""
    full = output(daemon, "inspect", "-f", "{{.Id}}", ref)
    name = v2 if V2 else v1
    (found,) = [
        group / name
        for group in daemon.cgroups()
        if group.name in (full, f"docker-{full}.scope") and (V2 or controller in str(group))
        if (group / name).exists()
    ]
    return found.read_text().strip()


def actions(daemon: Daemon, name: str) -> list[str]:
    filters = quote(json.dumps({"container": [name]}))
    _, body = daemon.request("GET", f"/events?since=0&until={time.time():.6f}&filters={filters}")
    return [json.loads(line)["Action"] for line in body.splitlines()]


def test_b024_b025_limits_reach_the_cgroup_and_can_be_changed(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "limited"
    output(daemon, "run", "-d", "--name", name, "-m", "64m", "--memory-reservation", "32m",
           "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "50", "--cpuset-cpus", "0",
           "busybox", "sleep", "300")  # fmt: skip
    try:
        assert limit(daemon, name, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
        assert limit(daemon, name, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(
            32 << 20
        )
        assert limit(daemon, name, "pids", "pids.max", "pids.max") == "50"
        assert limit(daemon, name, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
        quota = limit(daemon, name, "cpu", "cpu.cfs_quota_us", "cpu.max")
        assert quota.split()[0] == "50000"
        output(daemon, "update", "-m", "96m", "--memory-swap", "128m", "--pids-limit", "60", name)
        assert limit(daemon, name, "memory", "memory.limit_in_bytes", "memory.max") == str(96 << 20)
        assert limit(daemon, name, "pids", "pids.max", "pids.max") == "60"
    finally:
        output(daemon, "rm", "-f", name)


def test_b067_out_of_memory_is_told_while_and_after_it_happens(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "hungry"
    eat = "dd if=/dev/zero of=/dev/null bs=200M count=1"
    output(daemon, "run", "-d", "--name", name, "-m", "32m", "--memory-swap", "32m", "busybox",
           "sh", "-c", f"{eat}; exec sleep 300")  # fmt: skip
    try:
        for _ in poll("the event of a kill", 30):
            if "oom" in actions(daemon, name):
                break
        state = json.loads(output(daemon, "inspect", "-f", "{{json .State}}", name))
        assert (state["OOMKilled"], state["Status"]) == (True, "running")
        output(daemon, "restart", "-t", "0", name)
    finally:
        output(daemon, "rm", "-f", name)
    done = daemon.docker("run", "--name", name, "-m", "32m", "--memory-swap", "32m", "busybox",
                         "sh", "-c", f"exec {eat}")  # fmt: skip
    state = json.loads(output(daemon, "inspect", "-f", "{{json .State}}", name))
    assert (done.returncode, state["OOMKilled"], state["ExitCode"]) == (137, True, 137)
    output(daemon, "rm", name)
    told = [action for action in actions(daemon, name) if action in ("oom", "die")]
    assert told[-2:] == ["oom", "die"]


def test_b025_processors_that_are_not_there_are_refused(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("run", "--rm", "--cpuset-cpus", "4000", "busybox", "true")
    assert "Requested CPUs are not available - requested 4000, available:" in done.stderr


def test_b027_what_this_host_cannot_limit_is_warned_of(shared_daemon: Daemon) -> None:
    info = shared_daemon.json("GET", "/info")
    assert isinstance(info, dict)
    done = shared_daemon.docker("create", "--memory-swappiness", "50", "--blkio-weight", "300",
                                "-m", "64m", "busybox", "true")  # fmt: skip
    assert done.returncode == 0, done.stderr
    swappiness = not V2
    assert ("Memory swappiness discarded" in done.stderr) is not swappiness
    made = done.stdout.strip()
    shown = json.loads(output(shared_daemon, "inspect", "-f", "{{json .HostConfig}}", made))
    assert shown["MemorySwappiness"] == (50 if swappiness else None)
    assert (shown["Memory"], shown["MemorySwap"]) == (64 << 20, 128 << 20)
    output(shared_daemon, "rm", made)
