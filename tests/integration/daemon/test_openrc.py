"""The OpenRC script, run by OpenRC: Debian's packages, unpacked into a bare machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bare_machine import BareMachine
from support.daemon import BIN
from support.debian import debian_program
from support.netns import poll

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
PACKAGING = Path(__file__).parents[3] / "packaging/openrc"

PREPARE = """
set -e
mount -t overlay overlay -o lowerdir={unpacked}/lib:/usr/lib /usr/lib
mount -t overlay overlay -o lowerdir={unpacked}/sbin:/usr/sbin /usr/sbin
mkdir -p /run/openrc /etc/conf.d
for name in starting started stopping inactive wasinactive failed hotplugged daemons options \
    exclusive scheduled init.d tmp
do mkdir -p /run/openrc/$name; done
touch /run/openrc/softlevel
cp {unpacked}/etc/rc.conf /etc/rc.conf
# What a machine has and this one may not touch.
for name in sysfs cgroups net; do
    printf '#!/sbin/openrc-run\\nstart() {{ :; }}\\n' > /etc/init.d/$name
    chmod 755 /etc/init.d/$name
done
install -m 755 {packaging}/docker.initd /etc/init.d/docker
cat > /etc/conf.d/docker <<END
DOCKERD_BINARY={folder}/bin/dockerd
DOCKER_OPTS="-H unix:///run/docker.sock --exec-opt native.cgroupdriver=cgroupfs \\
    --cgroup-parent /{cgroup} --data-root /var/lib/wharfie --label from=openrc"
DOCKER_OUTFILE=/run/docker.log
DOCKER_ERRFILE=/run/docker.log
END
"""


@pytest.fixture
def machine() -> Iterator[BareMachine]:
    openrc = debian_program("sbin/openrc-run", "openrc", "librc1", "libeinfo1")
    programs = {name: str(BIN / "wharfied") for name in ("dockerd", "wharfied")}
    with BareMachine({**programs, "wharfie": str(BIN / "wharfie")}) as made:
        script = PREPARE.format(
            unpacked=openrc.unpacked,
            packaging=PACKAGING,
            folder=made.folder,
            cgroup=made.cgroup,
        )
        done = made.type(script)
        if done.returncode:
            pytest.skip(f"the namespaces cannot be made to look like OpenRC's: {done.stderr}")
        yield made


def log(machine: BareMachine) -> str:
    return machine.type("cat /run/docker.log").stdout


def pid(machine: BareMachine) -> str:
    """The daemon, not its supervisor."""
    return machine.type("pidof dockerd").stdout.strip()


def test_it_starts_reloads_comes_back_and_stops(machine: BareMachine) -> None:
    machine.check("rc-service docker start")
    for _ in poll("the daemon", 30):
        if machine.type("wharfie info | grep from=openrc").returncode == 0:
            break
    machine.check("rc-service docker status")
    first = pid(machine)
    assert first
    machine.check("rc-service docker reload")
    for _ in poll("the reload"):
        if "Got signal to reload" in log(machine):
            break
    assert pid(machine) == first
    # Killed, it is started again.
    machine.check(f"kill -9 {first}")
    for _ in poll("another daemon", 30):
        if machine.type("wharfie version").returncode == 0:
            break
    assert pid(machine) not in ("", first)
    machine.check("rc-service docker restart")
    for _ in poll("a third daemon", 30):
        if machine.type("wharfie version").returncode == 0:
            break
    machine.check("rc-service docker stop")
    assert pid(machine) == ""
    assert machine.type("rc-service docker status").returncode != 0
