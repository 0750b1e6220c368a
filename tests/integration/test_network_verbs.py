"""Network verbs of a real daemon, rule by rule as behaviours.md numbers them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    pools = "--default-address-pool=base=10.77.0.0/16,size=24"
    option = "--default-network-opt=bridge=com.docker.network.driver.mtu=1400"
    with Daemon(
        pools, option, "--bip=10.78.0.1/24", "--ipv6", "--host-gateway-ip=10.78.0.9"
    ) as made:
        made.start()
        made.load_busybox()
        yield made


def ok(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout.strip()


def refused(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode != 0, (arguments, done.stdout)
    return done.stderr


def network(daemon: Daemon, name: str) -> dict:
    return json.loads(ok(daemon, "network", "inspect", name))[0]


def container(daemon: Daemon, name: str) -> dict:
    return json.loads(ok(daemon, "inspect", name))[0]["NetworkSettings"]["Networks"]


def run(daemon: Daemon, name: str, *flags: str) -> None:
    ok(daemon, "run", "-d", "--name", name, *flags, "busybox", "sleep", "600")


def clean(daemon: Daemon, *networks: str) -> None:
    if ids := ok(daemon, "ps", "-aq").split():
        ok(daemon, "rm", "-f", *ids)
    if networks:
        ok(daemon, "network", "rm", *networks)


def test_b152_predefined_networks(daemon: Daemon) -> None:
    names = ok(daemon, "network", "ls", "--format", "{{.Name}}:{{.Driver}}").split()
    assert sorted(names) == ["bridge:bridge", "host:host", "none:null"]
    for name in ("bridge", "host", "none"):
        assert "not permitted on predefined" in refused(daemon, "network", "create", name)
        assert "pre-defined network and cannot be removed" in refused(daemon, "network", "rm", name)


def test_b153_what_the_default_bridge_does_not_allow(daemon: Daemon) -> None:
    for flags, words in (
        (["--network-alias", "x"], "network-scoped aliases are only supported for user-defined"),
        (["--ip", "10.78.0.77"], "user specified IP address is supported on user defined"),
    ):
        told = refused(daemon, "run", "--rm", *flags, "busybox", "true")
        assert words in told
    ok(daemon, "network", "create", "--subnet", "10.79.0.0/24", "fixed")
    flags = ("run", "--rm", "--network", "fixed", "--ip")
    assert "no configured subnet or ip-range contain the IP address 10.80.0.1" in refused(
        daemon, *flags, "10.80.0.1", "busybox", "true"
    )
    ok(daemon, *flags, "10.79.0.9", "busybox", "ifconfig", "eth0")
    clean(daemon, "fixed")


def test_b156_b157_b158_what_inspect_shows(daemon: Daemon) -> None:
    given = ("-o", "com.docker.network.bridge.enable_icc=false", "--label", "k=v")
    made = ok(daemon, "network", "create", *given, "--attachable", "shown")
    run(daemon, "one", "--network", "shown", "--network-alias", "alias")
    shown = network(daemon, "shown")
    assert shown["Options"] == {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.driver.mtu": "1400",
    }
    assert shown["Labels"] == {"k": "v"}
    assert (shown["Internal"], shown["Attachable"], shown["EnableIPv6"]) == (False, True, False)
    assert shown["IPAM"]["Config"][0]["Subnet"].startswith("10.77.")
    inside = container(daemon, "one")["shown"]
    (endpoint,) = shown["Containers"].values()
    assert endpoint["Name"] == "one"
    assert endpoint["EndpointID"] == inside["EndpointID"]
    assert endpoint["IPv4Address"] == f"{inside['IPAddress']}/24"
    assert inside["NetworkID"] == made
    assert inside["Aliases"] == ["alias"]
    assert inside["DNSNames"][:2] == ["one", "alias"]
    assert inside["Gateway"]
    ok(daemon, "stop", "-t0", "one")
    assert network(daemon, "shown")["Containers"] == {}
    stopped = container(daemon, "one")["shown"]
    assert stopped["NetworkID"] == made
    for key in ("EndpointID", "Gateway", "IPAddress"):
        assert stopped[key] == "", key
    clean(daemon, "shown")


def test_b159_b160_creating_and_pools(daemon: Daemon) -> None:
    ok(daemon, "network", "create", "first")
    assert "network with name first already exists" in refused(daemon, "network", "create", "first")
    subnet = network(daemon, "first")["IPAM"]["Config"][0]["Subnet"]
    assert subnet.startswith("10.77.")
    assert "Pool overlaps with other one on this address space" in refused(
        daemon, "network", "create", "--subnet", subnet, "second"
    )
    told = refused(daemon, "network", "create", "--subnet", "10.0.0.1/24", "third")
    assert "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24" in told
    # Addresses come in turn: one that was freed is not the next.
    run(daemon, "one", "--network", "first")
    before = container(daemon, "one")["first"]["IPAddress"]
    clean(daemon)
    run(daemon, "two", "--network", "first")
    assert container(daemon, "two")["first"]["IPAddress"] != before
    clean(daemon, "first")


def test_b160_exhausted_pools_say_so() -> None:
    with Daemon("--default-address-pool=base=10.90.0.0/23,size=24") as small:
        small.start()
        ok(small, "network", "create", "fits")
        assert "all predefined address pools have been fully subnetted" in refused(
            small, "network", "create", "not"
        )


def test_b161_b162_connect_disconnect_and_remove(daemon: Daemon) -> None:
    for name in ("left", "right"):
        ok(daemon, "network", "create", name)
    run(daemon, "busy", "--network", "left")
    assert "has active endpoints" in refused(daemon, "network", "rm", "left")
    ok(daemon, "network", "connect", "right", "busy")
    assert "eth1" in ok(daemon, "exec", "busy", "ip", "-o", "link")
    assert "already exists in network right" in refused(
        daemon, "network", "connect", "right", "busy"
    )
    ok(daemon, "network", "disconnect", "right", "busy")
    assert "eth1" not in ok(daemon, "exec", "busy", "ip", "-o", "link")
    assert "is not connected to network right" in refused(
        daemon, "network", "disconnect", "right", "busy"
    )
    run(daemon, "hosted", "--network", "host")
    assert "cannot connect container to host network" in refused(
        daemon, "network", "connect", "left", "hosted"
    )
    clean(daemon, "left", "right")


def test_b163_order_of_interfaces_and_the_default_gateway(daemon: Daemon) -> None:
    for name in ("aa", "bb", "cc"):
        flags = ["--internal"] if name == "cc" else []
        ok(daemon, "network", "create", *flags, name)
    ok(
        daemon, "run", "-d", "--name", "many", "--network", "name=aa", "--network",
        "name=bb,gw-priority=10", "--network", "name=cc", "busybox", "sleep", "600",
    )  # fmt: skip
    networks = container(daemon, "many")
    route = ok(daemon, "exec", "many", "ip", "route")
    assert f"default via {networks['bb']['Gateway']}" in route
    assert networks["cc"]["Gateway"] == ""
    assert "mtu 1400" in ok(daemon, "exec", "many", "ip", "link", "show", "eth0")
    bridges = daemon.namespaces.links()
    for name in ("aa", "bb", "cc"):
        assert f"br-{network(daemon, name)['Id'][:12]}" in bridges
    ok(daemon, "network", "disconnect", "bb", "many")
    assert f"default via {networks['aa']['Gateway']}" in ok(daemon, "exec", "many", "ip", "route")
    clean(daemon, "aa", "bb", "cc")


def test_b163_named_bridges_and_macs(daemon: Daemon) -> None:
    option = "com.docker.network.bridge.name=lab0"
    ok(daemon, "network", "create", "-o", option, "named")
    assert "lab0" in daemon.namespaces.links()
    assert "same bridge name" in refused(daemon, "network", "create", "-o", option, "again")
    run(daemon, "mac", "--network", "named", "--mac-address", "02:00:00:00:00:aa")
    assert "02:00:00:00:00:AA" in ok(daemon, "exec", "mac", "ifconfig", "eth0")
    clean(daemon, "named")
    assert "lab0" not in daemon.namespaces.links()


def test_b148_b150_prune_and_filters(daemon: Daemon) -> None:
    for name in ("used", "unused-x", "unused-y"):
        ok(daemon, "network", "create", "--label", f"of={name}", name)
    run(daemon, "user", "--network", "used")
    listed = ("network", "ls", "--format", "{{.Name}}", "--filter")
    assert ok(daemon, *listed, "name=unused").split() == ["unused-x", "unused-y"]
    assert ok(daemon, *listed, "label=of=used").split() == ["used"]
    assert set(ok(daemon, *listed, "dangling=true").split()) == {"unused-x", "unused-y"}
    assert set(ok(daemon, *listed, "type=builtin").split()) == {"bridge", "host", "none"}
    assert "unused-x" in ok(daemon, "network", "prune", "-f", "--filter", "label=of=unused-x")
    told = ok(daemon, "network", "prune", "-f")
    assert "unused-y" in told
    assert "used" not in told.split()
    clean(daemon, "used")


def test_configuration_networks(daemon: Daemon) -> None:
    subnet = "10.81.0.0/24"
    ok(daemon, "network", "create", "--config-only", "--subnet", subnet, "--label", "a=b", "conf")
    shown = network(daemon, "conf")
    assert (shown["ConfigOnly"], shown["Driver"]) == (True, "null")
    assert "configuration only" in refused(daemon, "run", "--rm", "--network", "conf", "busybox")
    ok(daemon, "network", "create", "--config-from", "conf", "taken")
    shown = network(daemon, "taken")
    assert shown["IPAM"]["Config"][0]["Subnet"] == subnet
    assert shown["ConfigFrom"]["Network"] == "conf"
    assert shown["Labels"] == {"a": "b"}
    assert "is in use" in refused(daemon, "network", "rm", "conf")
    assert "not a configuration network" in refused(
        daemon, "network", "create", "--config-from", "taken", "other"
    )
    run(daemon, "inside", "--network", "taken")
    clean(daemon, "taken", "conf")


def test_b169_b170_the_default_bridge_as_configured(daemon: Daemon) -> None:
    shown = network(daemon, "bridge")
    four, six = shown["IPAM"]["Config"]
    assert four["Subnet"] == "10.78.0.0/24"
    assert four["Gateway"] == "10.78.0.1"
    assert six["Subnet"].startswith("fd")
    assert shown["EnableIPv6"] is True
    run(daemon, "both", "-p", "8099:80", "--add-host", "up:host-gateway")
    inside = container(daemon, "both")["bridge"]
    assert inside["GlobalIPv6Address"]
    told = ok(daemon, "port", "both").split()
    assert "0.0.0.0:8099" in told
    assert "[::]:8099" in told
    assert "10.78.0.9\tup" in ok(daemon, "exec", "both", "cat", "/etc/hosts")
    clean(daemon)


def test_b166_ports_ranges_and_conflicts(daemon: Daemon) -> None:
    run(daemon, "range", "-p", "9000-9002:80-82", "-p", "127.0.0.1::90", "-p", "9100-9110:91")
    ports = json.loads(ok(daemon, "inspect", "range"))[0]["NetworkSettings"]["Ports"]
    assert [ports[f"{80 + n}/tcp"][0]["HostPort"] for n in range(3)] == ["9000", "9001", "9002"]
    assert ports["91/tcp"][0]["HostPort"] == "9100"
    assert [one["HostIp"] for one in ports["80/tcp"]] == ["0.0.0.0", "::"]
    numbers = {one["HostPort"] for one in ports["90/tcp"]}
    assert len(numbers) == 1
    assert 32768 <= int(numbers.pop()) <= 60999
    told = refused(daemon, "run", "--rm", "-p", "9001:80", "busybox", "true")
    assert "Bind for 0.0.0.0:9001 failed: port is already allocated" in told
    clean(daemon)
