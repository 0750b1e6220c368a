"""The default AppArmor profile, on a host that enforces it."""

from __future__ import annotations

import pytest

from support.daemon import Daemon
from wharfie.drivers.runtime.apparmor import is_enforced

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_enforced(), reason="this host has no AppArmor"),
    pytest.mark.timeout(300),
]


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def test_b185_containers_are_confined_unless_they_say_otherwise(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    show = ["busybox", "cat", "/proc/self/attr/current"]
    assert output(daemon, "run", "--rm", *show) == "docker-default (enforce)"
    unconfined = ["--security-opt", "apparmor=unconfined"]
    assert output(daemon, "run", "--rm", *unconfined, *show) == "unconfined"
    assert output(daemon, "run", "--rm", "--privileged", *show) == "unconfined"
    made = output(daemon, "create", "busybox", "true")
    assert output(daemon, "inspect", "-f", "{{.AppArmorProfile}}", made) == "docker-default"
    output(daemon, "rm", made)


def test_b185_the_profile_denies_what_capabilities_would_allow(shared_daemon: Daemon) -> None:
    """The attack: a container with CAP_SYS_ADMIN mounts; the twin without the profile may."""
    attempt = ["--cap-add", "SYS_ADMIN", "busybox", "mount", "-t", "tmpfs", "none", "/mnt"]
    make = ["-v", "mnt:/mnt"]
    denied = shared_daemon.docker("run", "--rm", *make, *attempt)
    assert denied.returncode != 0
    assert "denied" in denied.stderr.lower()
    output(shared_daemon, "run", "--rm", *make, "--security-opt", "apparmor=unconfined", *attempt)
    output(shared_daemon, "volume", "rm", "mnt")
