"""The commands of docs/remote-access.md, typed on bare machines."""

import time
from collections.abc import Iterator

import pytest

from support.bare_machine import BareMachine
from support.daemon import BIN
from support.genuine_cli import docker_cli
from support.guide import Step, blocks
from support.netns import poll
from support.openssh import SshServer

pytestmark = pytest.mark.root

GUIDE = blocks("remote-access.md")
SERVER, CLIENT = "192.0.2.7", "192.0.2.8"


class World:
    """The guide's two machines; root of the client can log in on the server by ssh."""

    def __init__(self, server: BareMachine, client: BareMachine) -> None:
        self.machines = {"server": server, "client": client}

    def type(self, steps: list[Step]) -> None:
        for step in steps:
            done = self.machines[step.machine].type(step.line)
            assert done.returncode == 0, f"{step.line}: {done.stdout}{done.stderr}"
            step.check(done.stdout)
            if step.line.startswith("wharfied"):
                self.wait_for_daemon()

    def wait_for_daemon(self) -> None:
        for _ in poll("the daemon to answer"):
            if self.machines["server"].type("wharfie version").returncode == 0:
                return


@pytest.fixture
def world() -> Iterator[World]:
    with BareMachine() as server, BareMachine() as client:
        server.join(client, f"{SERVER}/24", f"{CLIENT}/24")
        server.write("/etc/wharfie/daemon.json", f'{{"cgroup-parent": "/{server.cgroup}"}}')
        programs = {"docker": str(BIN / "wharfie"), "wharfie": str(BIN / "wharfie")}
        with SshServer(server.namespaces, programs, address=SERVER) as ssh:
            client.check(f"mkdir -m 700 .ssh; cp {ssh.home}/* .ssh")
            yield World(server, client)


def test_from_two_bare_machines_to_a_container_over_mutual_tls(world: World) -> None:
    steps = GUIDE["mutual-tls"]
    assert len(steps) <= 5
    began = time.monotonic()
    world.type(steps)
    print(f"{len(steps)} commands, {time.monotonic() - began:.1f} s")
    client = world.machines["client"]
    genuine = client.check(f"{docker_cli()} --context server run --rm busybox echo genuine")
    assert genuine == "genuine\n"
    # Nobody without a certificate gets in, nor one that another CA signed.
    bare = client.type(f"wharfie -H tcp://{SERVER}:2376 --tls ps")
    assert bare.returncode == 1
    client.check("wharfie cert create --dir other --host x")
    flags = "--tlsverify --tlscacert other/ca.pem --tlscert other/cert.pem --tlskey other/key.pem"
    stranger = client.type(f"wharfie -H tcp://{SERVER}:2376 {flags} ps")
    assert stranger.returncode == 1
