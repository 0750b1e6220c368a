"""Machines of Debian 12 and 13 with the engine installed as a newcomer installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from support.machine import Machine, MachineError

INSTALL = "/opt/wharfie/bin/wharfie system install --docker-compat"
# What tests change; a fresh start takes it away again.
RESET = """
rm -rf /etc/systemd/system/docker* /etc/systemd/system/sockets.target.wants/docker-tcp.socket
rm -f /etc/docker/* /etc/default/docker /etc/sysconfig/docker
systemctl stop docker-tcp.socket 2>/dev/null
systemctl daemon-reload
systemctl stop docker docker.socket
systemctl reset-failed
docker_pids=$(pidof dockerd) && kill -9 $docker_pids
rm -f /var/run/docker.pid
systemctl start docker.socket docker
"""


# The first test of a machine waits until its base system is made, unless script/test has made it.
PATIENCE = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder time for that."""
    for item in items:
        if "machine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(PATIENCE))


class ByMachine(LoadScopeScheduling):
    """Gives all tests of a machine to one worker; xdist's groups do not work with pytest 9."""

    def _split_scope(self, nodeid: str) -> str:
        """The machine's suite, which is the first parameter."""
        return nodeid.rpartition("[")[2].rstrip("]").partition("-")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByMachine | None:
    """Choose it where groups are asked for."""
    return ByMachine(config, log) if config.getoption("dist") == "loadgroup" else None


def _missing() -> str:
    needed = ("systemd-nspawn", "debootstrap", "nsenter", "unshare")
    missing = [name for name in needed if shutil.which(name) is None]
    return f"needs {', '.join(missing)} (apt-get install systemd-container debootstrap)"[
        : None if missing else 0
    ]


def _container() -> str:
    """What kind of container this is itself, "" for none."""
    found = subprocess.run(["systemd-detect-virt", "-c"], capture_output=True, text=True)
    return "" if found.returncode else found.stdout.strip()


@pytest.fixture(
    scope="session",
    params=["bookworm", "trixie"],
)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine with the engine installed and running; tests share it."""
    missing = _missing()
    if missing:
        # In CI script/test has installed them.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with Machine(request.param) as found:
        try:
            found.boot()
        except MachineError as error:
            if _container():
                pytest.skip(
                    f"NO SYSTEMD MACHINE INSIDE THIS CONTAINER ({_container()}): nothing about "
                    f"systemd was tested. {error}"
                )
            raise
        found.check(INSTALL)
        yield found


@pytest.fixture
def fresh(machine: Machine) -> Machine:
    """The machine, its engine just installed: no configuration, no drop-ins, no containers."""
    machine.run(RESET)
    machine.check("systemctl is-active docker")
    machine.run("docker rm -f $(docker ps -aq)")
    return machine
