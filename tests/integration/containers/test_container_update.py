"""Limits of a running container change in its cgroup, by both clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from wharfie.kernel.cgroups import CgroupHost

pytestmark = pytest.mark.root

MIB = 1 << 20


@pytest.fixture
def box(shared_daemon: Daemon) -> Iterator[str]:
    limits = ("-m", "64m", "--memory-swap", "128m", "--pids-limit", "50")
    made = shared_daemon.docker("run", "-d", *limits, "busybox", "sleep", "600")
    assert made.returncode == 0, made.stderr
    yield made.stdout.strip()
    shared_daemon.docker("rm", "-f", made.stdout.strip())


def limit(daemon: Daemon, ref: str, controller: str, names: tuple[str, str]) -> str:
    """A limit as the kernel has it, by its names on v1 and v2."""
    host = CgroupHost.detect()
    root = Path(str(host.root(controller)))
    (group,) = (path for path in daemon.cgroups() if path.name == ref and root in path.parents)
    return (group / names[host.version - 1]).read_text().strip()


MEMORY = ("memory", ("memory.limit_in_bytes", "memory.max"))
PIDS = ("pids", ("pids.max", "pids.max"))
CPUS = ("cpuset", ("cpuset.cpus", "cpuset.cpus"))


@pytest.mark.parametrize("client", ["docker", "wharfie"])
def test_b080_limits_change_live_up_and_down(shared_daemon: Daemon, box: str, client: str) -> None:
    run = getattr(shared_daemon, client)
    for size in (32, 256, 48):
        done = run("update", "-m", f"{size}m", "--memory-swap", f"{2 * size}m", box)
        assert (done.returncode, done.stdout) == (0, f"{box}\n"), done.stderr
        assert limit(shared_daemon, box, *MEMORY) == str(size * MIB)
    done = run("update", "--pids-limit", "-1", "--cpuset-cpus", "0", "--restart", "always", box)
    assert done.returncode == 0, done.stderr
    assert limit(shared_daemon, box, *PIDS) == "max"
    assert limit(shared_daemon, box, *CPUS) == "0"
    shown = json.loads(shared_daemon.docker("inspect", box).stdout)[0]["HostConfig"]
    assert (shown["Memory"], shown["CpusetCpus"]) == (48 * MIB, "0")
    assert shown["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}


def test_what_the_kernel_refuses_is_told_and_not_recorded(shared_daemon: Daemon, box: str) -> None:
    done = shared_daemon.docker("update", "--cpuset-cpus", "4000", box)
    assert done.returncode == 1
    assert f"Cannot update container {box}" in done.stderr or "not available" in done.stderr
    shown = json.loads(shared_daemon.docker("inspect", box).stdout)[0]["HostConfig"]
    assert shown["CpusetCpus"] == ""


def test_a_reply_without_warnings_is_null(shared_daemon: Daemon, box: str) -> None:
    assert shared_daemon.json("POST", f"/containers/{box}/update", {}) == {"Warnings": None}
