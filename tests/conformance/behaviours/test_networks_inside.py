"""Behaviours 171–179: what a container finds of its network (docs/compatibility.md)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.api import FOREIGN, Api

pytestmark = pytest.mark.root

Network = Callable[..., str]


@pytest.fixture
def network(api: Api) -> Iterator[Network]:
    """Makes networks, which go once the containers have gone."""
    made: list[str] = []

    def make(**fields: object) -> str:
        name = f"behaviours-{uuid.uuid4().hex[:8]}"
        api.do("POST", "/networks/create", {"Name": name, **fields})
        made.append(name)
        return name

    yield make
    for ref in api.made:
        api.ask("DELETE", f"/containers/{ref}", force=1)
    for name in made:
        api.do("DELETE", f"/networks/{name}")


def lines_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]


def endpoint(api: Api, ref: str, name: str) -> Any:
    return api.inspect(ref)["NetworkSettings"]["Networks"][name]


def test_b171_the_hosts_file(api: Api, network: Network) -> None:
    name = network()
    ref = api.run(
        "sleep", "600", Hostname="me", Domainname="example.com",
        HostConfig={"NetworkMode": name, "ExtraHosts": ["far:192.0.2.9"]},
    )  # fmt: skip
    found = lines_of(api.exec(ref, "cat", "/etc/hosts")[1])
    own = endpoint(api, ref, name)["IPAddress"]
    assert found[0] == ["127.0.0.1", "localhost"]
    assert ["192.0.2.9", "far"] in found
    assert found[-1] == [own, "me.example.com", "me"]
    six = [words for words in found if ":" in words[0]]
    assert six in (
        [],  # this container has no IPv6
        [
            ["::1", "localhost", "ip6-localhost", "ip6-loopback"],
            ["fe00::", "ip6-localnet"],
            ["ff00::", "ip6-mcastprefix"],
            ["ff02::1", "ip6-allnodes"],
            ["ff02::2", "ip6-allrouters"],
        ],
    )


def test_b171_it_follows_a_second_network(api: Api, network: Network) -> None:
    first, second = network(), network()
    ref = api.run("sleep", "600", Hostname="me", HostConfig={"NetworkMode": first})
    api.do("POST", f"/networks/{second}/connect", {"Container": ref})
    added = endpoint(api, ref, second)["IPAddress"]
    assert [added, "me"] in lines_of(api.exec(ref, "cat", "/etc/hosts")[1])
    api.do("POST", f"/networks/{second}/disconnect", {"Container": ref})
    assert [added, "me"] not in lines_of(api.exec(ref, "cat", "/etc/hosts")[1])


def test_b171_the_hosts_own_file_on_its_network(api: Api) -> None:
    host = {"NetworkMode": "host", "ExtraHosts": ["far:192.0.2.9"]}
    found = lines_of(api.output("cat", "/etc/hosts", HostConfig=host))
    assert ["192.0.2.9", "far"] in found
    if not FOREIGN:
        with open("/etc/hosts", encoding="utf-8") as file:
            assert all(line in found for line in lines_of(file.read()))


def test_b172_servers_for_names(api: Api, network: Network) -> None:
    asked = {"Dns": ["192.0.2.53"], "DnsSearch": ["example.org"], "DnsOptions": ["ndots:3"]}
    bridge = lines_of(api.output("cat", "/etc/resolv.conf", HostConfig=asked))
    assert ["nameserver", "192.0.2.53"] in bridge
    assert ["search", "example.org"] in bridge
    assert ["options", "ndots:3"] in bridge
    host = {"NetworkMode": network(), **asked}
    own = lines_of(api.output("cat", "/etc/resolv.conf", HostConfig=host))
    assert [words[1] for words in own if words[0] == "nameserver"] == ["127.0.0.11"]
    assert ["search", "example.org"] in own
    assert any("ndots:3" in words for words in own if words[0] == "options")


def test_b172_on_the_bridge_nobody_asks_loopback(api: Api) -> None:
    """A server on the host's own loopback is none of the container's."""
    found = lines_of(api.output("cat", "/etc/resolv.conf"))
    servers = [words[1] for words in found if words[0] == "nameserver"]
    assert servers
    assert not [one for one in servers if one.startswith("127.") or one == "::1"]


def test_b172_a_file_that_was_changed_is_left_alone(api: Api, network: Network) -> None:
    """While it runs; a start writes it anew."""
    ref = api.run("sleep", "600")
    assert api.exec(ref, "sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf")[0] == 0
    api.do("POST", f"/networks/{network()}/connect", {"Container": ref})
    assert api.exec(ref, "cat", "/etc/resolv.conf")[1] == "nameserver 192.0.2.1\n"
    api.do("POST", f"/containers/{ref}/restart", t=0)
    assert api.exec(ref, "cat", "/etc/resolv.conf")[1] != "nameserver 192.0.2.1\n"


def test_b173_host_gateway_is_the_bridges_address(api: Api) -> None:
    host = {"ExtraHosts": ["up:host-gateway"]}
    found = lines_of(api.output("cat", "/etc/hosts", HostConfig=host))
    config = api.get("/networks/bridge")["IPAM"]["Config"]
    assert [config[0]["Gateway"], "up"] in found


def test_b174_a_shared_sandbox(api: Api) -> None:
    bindings = {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]}}
    server = api.run("sleep", "600", ExposedPorts={"80/tcp": {}}, HostConfig=bindings)
    host = {"NetworkMode": f"container:{server}"}
    beside = api.run("sleep", "600", HostConfig=host)
    own, theirs = (api.exec(ref, "ip", "-o", "addr")[1] for ref in (server, beside))
    assert own == theirs
    assert api.inspect(server)["NetworkSettings"]["Ports"]["80/tcp"]
    assert not api.inspect(beside)["NetworkSettings"]["Ports"]
    words = api.not_created(
        ExposedPorts={"81/tcp": {}}, HostConfig={**host, "PortBindings": {"81/tcp": [{}]}}
    )
    assert "conflicting options: port publishing and the container type network mode" in words


def test_b174_nobody_joins_what_does_not_run(api: Api) -> None:
    stopped = api.create("true")
    ref = api.create("true", HostConfig={"NetworkMode": f"container:{stopped}"})
    reply = api.ask("POST", f"/containers/{ref}/start")
    assert reply.status == 409
    assert "cannot join network namespace of a non running container" in reply.message


def test_b175_none_has_loopback_alone(api: Api) -> None:
    host = {"NetworkMode": "none"}
    found = api.output("ip", "-o", "link", HostConfig=host).splitlines()
    assert [line.split(": ")[1] for line in found if ": sit" not in line][:1] == ["lo"]
    assert not [line for line in found if "eth" in line]
    shown = api.inspect(api.ended("true", HostConfig=host))
    assert list(shown["NetworkSettings"]["Networks"]) == ["none"]


def test_b175_host_discards_published_ports(api: Api) -> None:
    host = {"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}}
    made = api.do("POST", "/containers/create", api.create_body("true", HostConfig=host))
    api.made.append(made["Id"])
    assert made["Warnings"] == ["Published ports are discarded when using host network mode"]
    assert not api.inspect(made["Id"])["NetworkSettings"]["Ports"]


def test_b163_an_interface_is_called_as_its_endpoint_says(api: Api, network: Network) -> None:
    option = "com.docker.network.endpoint.ifname"
    first, second = network(), network()
    ends = {first: {"DriverOpts": {option: "lan0"}}, second: {}}
    host = {"NetworkMode": first}
    networking = {"EndpointsConfig": ends}
    ref = api.run("sleep", "600", HostConfig=host, NetworkingConfig=networking)
    links = api.exec(ref, "ip", "-o", "link")[1]
    assert " lan0@" in links
    assert " eth" in links
    third = network()
    body = {"Container": ref, "EndpointConfig": {"DriverOpts": {option: "lan0"}}}
    reply = api.ask("POST", f"/networks/{third}/connect", body)
    assert reply.status >= 400
    assert "lan0" in reply.message
    body["EndpointConfig"] = {"DriverOpts": {option: "wan0"}}
    api.do("POST", f"/networks/{third}/connect", body)
    assert " wan0@" in api.exec(ref, "ip", "-o", "link")[1]
    bad = {first: {"DriverOpts": {option: "much/too/long/for/that"}}}
    made = api.create("true", HostConfig=host, NetworkingConfig={"EndpointsConfig": bad})
    assert api.ask("POST", f"/containers/{made}/start").status >= 400


def test_b158_a_subnet_is_shown_as_it_was_asked_for(api: Api, network: Network) -> None:
    config = [{"Subnet": "10.231.78.0/24"}]
    name = network(IPAM={"Config": config})
    shown = api.get(f"/networks/{name}")["IPAM"]["Config"]
    assert [{key: value for key, value in one.items() if value} for one in shown] == config
    ref = api.run("sleep", "600", HostConfig={"NetworkMode": name})
    assert endpoint(api, ref, name)["Gateway"] == "10.231.78.1"
    assert api.get(f"/networks/{network()}")["IPAM"]["Config"][0]["Gateway"]


def test_b178_a_sandbox_while_it_runs(api: Api) -> None:
    ref = api.run("sleep", "600")
    settings = api.inspect(ref)["NetworkSettings"]
    assert len(settings["SandboxID"]) == 64
    assert settings["SandboxKey"].startswith("/")
    api.do("POST", f"/containers/{ref}/kill")
    api.wait(ref)
    settings = api.until(
        "the end of the sandbox",
        lambda: (found := api.inspect(ref)["NetworkSettings"])["SandboxID"] == "" and found,
    )
    assert settings["SandboxKey"] == ""


def test_b179_an_address_is_kept_only_if_asked_for(api: Api, network: Network) -> None:
    name = network(IPAM={"Config": [{"Subnet": "10.231.77.0/24"}]})
    wish = {name: {"IPAMConfig": {"IPv4Address": "10.231.77.77"}}}
    fixed = api.run("sleep", "600", HostConfig={"NetworkMode": name},
                    NetworkingConfig={"EndpointsConfig": wish})  # fmt: skip
    free = api.run("sleep", "600", HostConfig={"NetworkMode": name})
    before = endpoint(api, free, name)["IPAddress"]
    api.do("POST", f"/containers/{free}/stop", t=0)
    assert endpoint(api, free, name)["IPAddress"] == ""
    api.do("POST", f"/containers/{fixed}/restart", t=0)
    assert endpoint(api, fixed, name)["IPAddress"] == "10.231.77.77"
    others = {
        endpoint(api, api.run("sleep", "600", HostConfig={"NetworkMode": name}), name)["IPAddress"]
        for _ in range(3)
    }
    api.start(free)
    after = endpoint(api, free, name)["IPAddress"]
    assert after.startswith("10.231.77.")
    assert after not in others | {"10.231.77.77"}
    assert before.startswith("10.231.77.")


def test_b008_a_network_that_is_not_there_is_missed_at_start(api: Api, network: Network) -> None:
    """Not at create: Docker's client would take a 404 there for a missing image, and pull."""
    ref = api.create("true", HostConfig={"NetworkMode": "behaviours-nobody"})
    assert list(api.inspect(ref)["NetworkSettings"]["Networks"]) == ["behaviours-nobody"]
    told = api.refused(404, "POST", f"/containers/{ref}/start")
    wanted = "failed to set up container networking: network behaviours-nobody not found"
    assert told == wanted
    assert api.state(ref)["Error"] == wanted
    api.do("POST", "/networks/create", {"Name": "behaviours-nobody"})
    try:
        api.start(ref)
        assert api.wait(ref) == 0
    finally:
        api.do("DELETE", f"/containers/{ref}", force=1)
        api.made.remove(ref)
        api.do("DELETE", "/networks/behaviours-nobody")
    joined = api.create("true", HostConfig={"NetworkMode": "container:behaviours-nobody"})
    told = api.ask("POST", f"/containers/{joined}/start").message
    assert told.endswith("namespace of container: No such container: behaviours-nobody")


def test_b174_a_joined_container_is_known_by_its_id(api: Api) -> None:
    server = api.run("sleep", "600", name="behaviours-server")
    mode = f"container:{server}"
    host = {"NetworkMode": "container:behaviours-server", "PidMode": "container:behaviours-server"}
    shown = api.inspect(api.create("true", HostConfig=host))["HostConfig"]
    assert (shown["NetworkMode"], shown["PidMode"]) == (mode, mode)
