"""Docker's network plugin protocol, served by a small plugin of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.plugins import Plugin

pytestmark = pytest.mark.root

WIRES = """
links, gateways = {}, {}
def ip(*words):
    subprocess.run(["ip", *words], check=True)
def answer(verb, body):
    if verb == "CreateNetwork":
        if body["Options"]["com.docker.network.generic"].get("refuse"):
            return {"Err": "no wires left"}
        gateways[body["NetworkID"]] = body["IPv4Data"][0]["Gateway"]
    elif verb == "Join":
        number = len(links)
        links[body["EndpointID"]] = f"rp{number}"
        ip("link", "add", f"rp{number}", "type", "veth", "peer", "name", f"rs{number}")
        gateway = gateways[body["NetworkID"]]
        ip("address", "add", gateway, "dev", f"rp{number}")
        ip("link", "set", f"rp{number}", "up")
        return {"InterfaceName": {"SrcName": f"rs{number}", "DstPrefix": "wire"},
                "Gateway": gateway.partition("/")[0]}
    elif verb == "DeleteEndpoint":
        subprocess.run(["ip", "link", "del", links.get(body["EndpointID"], "none")])
    return {}
"""


@pytest.fixture
def wired() -> Iterator[tuple[Daemon, Plugin]]:
    with Daemon() as daemon:
        plugin = Plugin(daemon, "wires", "NetworkDriver", WIRES)
        daemon.start()
        daemon.load_busybox()
        yield daemon, plugin
        plugin.close()


def test_b164_networks_of_a_plugin(wired: tuple[Daemon, Plugin]) -> None:
    daemon, plugin = wired

    def ok(*arguments: str) -> str:
        done = daemon.docker(*arguments)
        assert done.returncode == 0, (arguments, done.stderr, plugin.verbs, daemon.log())
        return done.stdout

    told = daemon.docker("network", "create", "-d", "nobody", "lost")
    assert 'plugin "nobody" not found' in told.stderr
    told = daemon.docker("network", "create", "-d", "wires", "-o", "refuse=1", "full")
    assert "no wires left" in told.stderr
    ok("network", "create", "-d", "wires", "--subnet", "10.66.0.0/24", "lab")
    ok("run", "-d", "--name", "one", "--network", "lab", "busybox", "sleep", "600")
    shown = json.loads(ok("inspect", "one"))[0]["NetworkSettings"]["Networks"]["lab"]
    assert (shown["IPAddress"], shown["Gateway"]) == ("10.66.0.2", "10.66.0.1")
    assert "wire0" in ok("exec", "one", "ip", "-o", "link")
    assert "eth0" not in ok("exec", "one", "ip", "-o", "link")
    assert "default via 10.66.0.1 dev wire0" in ok("exec", "one", "ip", "route")
    reached = daemon.namespaces.run("/bin/busybox", "ping", "-c1", "-W2", "10.66.0.2")
    assert reached.returncode == 0, reached.stdout
    assert "10.66.0.2" in ok("exec", "one", "nslookup", "one")
    # A daemon that starts finds network and container as they are.
    before = plugin.verbs
    daemon.kill9()
    daemon.start()
    assert plugin.verbs == [*before, "Activate"]
    ok("rm", "-f", "one")
    assert plugin.verbs[-2:] == ["Leave", "DeleteEndpoint"]
    # Connected to a running container, and disconnected.
    ok("run", "-d", "--name", "two", "busybox", "sleep", "600")
    ok("network", "connect", "lab", "two")
    assert "wire0" in ok("exec", "two", "ip", "-o", "link")
    ok("network", "disconnect", "lab", "two")
    assert "wire0" not in ok("exec", "two", "ip", "-o", "link")
    ok("rm", "-f", "two")
    ok("network", "rm", "lab")
    assert plugin.verbs[-1] == "DeleteNetwork"
