"""Restarts, violent ends and boots under systemd: seeds D14–D17, daemon.md §6 and §8."""

from __future__ import annotations

import pytest

from support.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.slow]

NAMES = "docker ps --format '{{.Names}}' | sort"
WAIT = "for i in $(seq 150); do docker ps -q >/dev/null 2>&1 && break; sleep 0.1; done"


def test_twenty_restarts_leave_containers_alone(fresh: Machine) -> None:
    """D14: containers run on (KillMode=process), the socket can be had at once, no limit hits."""
    fresh.check("docker run -d --name on busybox sleep 1000")
    pid = fresh.check("docker inspect -f '{{.State.Pid}}' on")
    fresh.check("for i in $(seq 20); do systemctl restart docker || exit 1; done", timeout=120)
    assert fresh.check("docker inspect -f '{{.State.Pid}}' on") == pid
    for command in ("stop", "start", "enable", "disable", "enable"):
        fresh.check(f"systemctl {command} docker")
    fresh.check("service docker restart")
    assert fresh.check(NAMES) == "on\n"


def test_starting_by_hand_beside_the_service_is_refused(fresh: Machine) -> None:
    """D15, D16, G9."""
    pid = fresh.check("pidof dockerd").strip()
    done = fresh.run("dockerd")
    assert done.returncode == 1
    assert (
        "failed to start daemon, ensure docker is not running or delete /var/run/docker.pid: "
        f"process with PID {pid} is still running" in done.stderr
    )
    done = fresh.run("dockerd --pidfile /tmp/pid --exec-root /tmp/exec -H unix:///tmp/s")
    assert done.returncode == 1
    assert (
        "failed to start daemon: error while opening volume store metadata database "
        "(/var/lib/docker/volumes/metadata.db): timeout" in done.stderr
    )
    assert fresh.check("pidof dockerd").strip() == pid


def test_killed_by_force_it_comes_back_by_itself(fresh: Machine) -> None:
    """D17: S1's command kills all that has docker in its command line."""
    fresh.check("docker run -d --name on --restart always busybox sleep 1000")
    before = fresh.check("pidof dockerd")
    fresh.run("kill -9 $(pidof dockerd)")
    fresh.check(WAIT)
    assert fresh.check("pidof dockerd") != before
    assert fresh.check(NAMES) == "on\n"
    fresh.run(
        "ps axf | grep docker | grep -v grep | awk '{print \"kill -9 \" $1}' | sh", timeout=30
    )
    fresh.check(WAIT)
    assert fresh.check(NAMES) == "on\n"
    assert fresh.check("docker run --rm busybox echo hello") == "hello\n"


def test_one_that_hangs_is_started_anew(fresh: Machine) -> None:
    """The watchdog: a daemon that gives no sign of life is replaced, containers run on."""
    fresh.write(
        "/etc/systemd/system/docker.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=0\n",
    )
    fresh.check("systemctl daemon-reload && systemctl restart docker")
    fresh.check("docker run -d --name on busybox sleep 1000")
    before = fresh.check("pidof dockerd").strip()
    fresh.check(f"kill -STOP {before}")
    fresh.check(
        f"for i in $(seq 200); do [ -d /proc/{before} ] || break; sleep 0.1; done; {WAIT}",
        timeout=50,
    )
    assert fresh.check("pidof dockerd").strip() != before
    assert "Watchdog timeout" in fresh.check("journalctl -u docker -o cat")
    assert fresh.check(NAMES) == "on\n"


@pytest.mark.parametrize("hard", [False, True], ids=["orderly", "power-cut"])
def test_after_a_boot_all_is_back(fresh: Machine, hard: bool) -> None:
    """Started at boot, containers by their restart policies; a client that is early waits."""
    fresh.check("docker volume create data")
    fresh.check(
        "docker run -d --name on --restart always --stop-signal KILL -v data:/data "
        "busybox sleep 1000"
    )
    fresh.check("docker run -d --name off --stop-signal KILL busybox sleep 1000")
    fresh.check("docker exec on sh -c 'echo kept > /data/file; sync'")
    fresh.check(
        "docker run -d --name slow busybox "
        "sh -c 'trap \"exit 7\" TERM; while :; do sleep 0.1; done'"
    )
    fresh.reboot(hard=hard)
    if not hard:
        # A machine that goes down is no reason to kill a container without its grace.
        assert fresh.check("docker inspect -f '{{.State.ExitCode}}' slow") == "7\n"
    # Restart policies are carried out while the API is served already.
    fresh.check(f'for i in $(seq 100); do [ -n "$({NAMES})" ] && break; sleep 0.1; done')
    assert fresh.check(NAMES) == "on\n"
    assert fresh.check("docker exec on cat /data/file") == "kept\n"
    assert fresh.check("docker ps -aq | wc -l") == "3\n"
    fresh.check("docker start off")
    assert fresh.check("systemctl is-active docker") == "active\n"
