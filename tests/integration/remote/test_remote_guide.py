"""The commands of docs/remote-access.md, typed on bare machines."""

import time
from collections.abc import Iterator

import pytest

from support.bare_machine import BareMachine
from support.daemon import BIN
from support.debian import debian_program
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
        self.server, self.client = server, client

    def type(self, name: str) -> None:
        """Type a block of the guide."""
        for step in GUIDE[name]:
            self.step(step)

    def step(self, step: Step) -> None:
        machine = {"server": self.server, "client": self.client}[step.machine]
        done = machine.type(step.line)
        assert done.returncode == 0, f"{step.line}: {done.stdout}{done.stderr}"
        step.check(done.stdout)
        if step.line.startswith("wharfied"):
            for _ in poll("the daemon to answer"):
                if self.server.type("wharfie version").returncode == 0:
                    return


@pytest.fixture
def world() -> Iterator[World]:
    with BareMachine() as server, BareMachine() as client:
        server.join(client, f"{SERVER}/24", f"{CLIENT}/24")
        server.write("/etc/wharfie/daemon.json", f'{{"cgroup-parent": "/{server.cgroup}"}}')
        programs = {"docker": str(BIN / "wharfie"), "wharfie": str(BIN / "wharfie")}
        with SshServer(server.namespaces, programs, address=SERVER) as ssh:
            client.check(f"mkdir -m 700 .ssh; cp {ssh.home}/* .ssh")
            client.check(f"ln -s {docker_cli()} {client.folder}/bin/docker")
            yield World(server, client)


def test_from_two_bare_machines_to_a_container_over_mutual_tls(world: World) -> None:
    assert len(GUIDE["mutual-tls"]) <= 5
    began = time.monotonic()
    world.type("mutual-tls")
    print(f"{len(GUIDE['mutual-tls'])} commands, {time.monotonic() - began:.1f} s")
    client = world.client
    genuine = client.check(f"{docker_cli()} --context server run --rm busybox echo genuine")
    assert genuine == "genuine\n"
    # Nobody without a certificate gets in, nor one that another CA signed.
    bare = client.type(f"wharfie -H tcp://{SERVER}:2376 --tls ps")
    assert bare.returncode == 1
    client.check("wharfie cert create --dir other --host x")
    flags = "--tlsverify --tlscacert other/ca.pem --tlscert other/cert.pem --tlskey other/key.pem"
    stranger = client.type(f"wharfie -H tcp://{SERVER}:2376 {flags} ps")
    assert stranger.returncode == 1
    world.type("clients")
    world.server.check("wharfie remote invite carol --host 192.0.2.7")
    bundle = "scp 192.0.2.7:/etc/wharfie/tls/clients/carol.dockercontext ."
    client.check(f"{bundle}; wharfie context import carol carol.dockercontext")
    assert client.check("wharfie --context carol ps -q") == ""
    world.server.check("wharfie remote revoke carol; kill -HUP $(pidof -x wharfied)")
    for _ in poll("carol to be locked out"):
        refused = client.type("wharfie --context carol ps -q")
        if refused.returncode:
            break
    assert "revoked certificate" in refused.stderr or "reset" in refused.stderr
    listed = world.server.check("wharfie remote ls --format '{{.Name}} {{.State}}'")
    assert listed == "admin admitted\nbob locked out\ncarol locked out\n"
    # An SDK that knows no contexts gets the same from the environment.
    python = f"{BIN}/python -c 'import docker; print(docker.from_env().ping())'"
    assert client.check(f'eval "$(wharfie remote env server)"; {python}') == "True\n"
    again = "wharfie --context server run --rm busybox echo again"
    assert client.check(again) == "again\n"


@pytest.mark.parametrize("name", ["files", "ssh", "plain", "contexts", "env"])
def test_a_block_of_the_guide(world: World, name: str) -> None:
    world.type(name)


def test_the_nginx_of_the_guide(world: World) -> None:
    nginx = debian_program("usr/sbin/nginx", "nginx", "libnginx-mod-stream")
    module = next(nginx.unpacked.glob("usr/lib/nginx/modules/ngx_stream_module.so"))
    server = world.server
    server.write("/etc/nginx/modules-enabled/50-stream.conf", f"load_module {module};\n")
    folders = "/var/log/nginx /var/lib/nginx"
    server.check(f"mkdir -p {folders}; touch /etc/nginx/mime.types")
    libraries = nginx.environment["LD_LIBRARY_PATH"]
    server.write(
        f"{server.folder}/bin/nginx",  # which keeps stderr open behind the shell's back
        f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {nginx.path} "$@" 2> /var/log/nginx/said\n',
    )
    server.check(f"chmod +x {server.folder}/bin/nginx")
    world.type("nginx")


def test_every_block_has_its_test() -> None:
    here = {"mutual-tls", "clients", "files", "ssh", "plain", "contexts", "env", "nginx"}
    elsewhere = {"systemd"}  # tests/systemd
    assert set(GUIDE) == here | elsewhere
