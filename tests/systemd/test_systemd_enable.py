"""Opening an installed daemon by one command, as the guide tells a newcomer."""

from __future__ import annotations

import pytest

from support.guide import blocks
from support.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.slow]

CLEAN = "rm -rf /etc/docker/tls ~/.docker"


def test_a_container_over_mutual_tls(fresh: Machine) -> None:
    fresh.check(CLEAN)
    install = "/opt/wharfie/bin/wharfie system install --docker-compat --remote 127.0.0.1"
    said = fresh.check(install)
    assert "made /etc/docker/tls/clients/admin.dockercontext" in said
    fresh.check("docker context import server /etc/docker/tls/clients/admin.dockercontext")
    assert fresh.check("docker --context server run --rm busybox echo it works") == "it works\n"
    assert fresh.check("docker run --rm busybox echo here") == "here\n"
    assert fresh.check("ss -tnlp | grep -c 2376") == "1\n"
    assert fresh.run("docker --context server doctor").returncode == 0
    fresh.check("docker remote invite bob && docker remote disable --restart")
    assert fresh.run("ss -tnlp | grep 2376").returncode
    assert fresh.check("docker run --rm busybox echo here") == "here\n"
    fresh.check("docker remote enable --restart")
    assert fresh.check("docker --context server ps -q") == ""
    fresh.check(CLEAN)


def test_the_doctor_of_an_installed_engine(fresh: Machine) -> None:
    fresh.check(CLEAN)
    done = fresh.run("docker doctor")
    assert done.returncode == 0, done.stdout
    fresh.write("/etc/docker/daemon.json", '{"hosts": ["tcp://127.0.0.1:2375"]}')
    done = fresh.run("docker doctor")
    assert done.returncode == 1
    assert "hosts: (from flag: [fd://], from file: [tcp://127.0.0.1:2375])" in done.stdout
    fresh.check("rm /etc/docker/daemon.json")


def test_the_guides_way_through_a_socket_of_systemds(fresh: Machine) -> None:
    fresh.check(CLEAN)
    try:
        for step in blocks("remote-access.md")["systemd"]:
            step.check(fresh.check(step.line.replace("wharfie remote", "docker remote")))
    finally:
        fresh.run("systemctl stop docker-tcp.socket")
        fresh.check(CLEAN)
