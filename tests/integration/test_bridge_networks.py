"""Bridge networks on a real kernel: reachability, publishing, isolation."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.network_host import (
    HOST_ADDRESS,
    OUTSIDE_ADDRESS,
    Host,
    bridge_network,
    join_request,
    run_on_host,
)
from wharfie.model.errors import Conflict, Forbidden, Internal
from wharfie.model.network import EndpointSettings, LiveConnection, PortBinding

pytestmark = pytest.mark.root

UNREACHABLE = (TimeoutError, ConnectionRefusedError, BlockingIOError)

OnHost = Callable[[Callable[[Host], Awaitable[None]]], None]


@pytest.fixture
def on_host(tmp_path: Path) -> OnHost:
    return lambda body: run_on_host(str(tmp_path), body)


def test_containers_of_a_network_reach_each_other(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        one = await host.start(driver, network)
        two = await host.start(driver, network)
        assert (one.address, two.address) == ("172.17.0.2", "172.17.0.3")
        code, output = host.run("/bin/busybox", "ping", "-c1", "-W2", two.address, inside=one)
        assert code == 0, output
        code, output = host.run("/bin/busybox", "ping", "-c1", "-W2", two.address)
        assert code == 0, output
        assert one.connection.endpoints["bridge"].interface == "eth0"
        assert one.connection.endpoints["bridge"].gateway == "172.17.0.1"

    on_host(body)


def test_containers_reach_the_outside_with_the_hosts_address(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        container = await host.start(driver, network)
        with host.serve(host.outside, 7000) as server:
            assert host.reach(container, server, OUTSIDE_ADDRESS, 7000) == HOST_ADDRESS

    on_host(body)


def test_a_sandbox_without_networks_has_only_loopback(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        container = await host.start(driver)
        code, output = host.run("ip", "-o", "link", inside=container)
        assert code == 0
        names = [line.split(":")[1].strip().partition("@")[0] for line in output.splitlines()]
        assert [name for name in names if not name.startswith(("tun", "sit", "ip6", "gre"))] == [
            "lo",
            *[name for name in names if name.startswith("ifb")],
        ]
        assert "LOWER_UP" in output

    on_host(body)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_published_port_is_reached_from_everywhere(on_host: OnHost, protocol: str) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        other = await driver.create(bridge_network("other"))
        publish = {f"80/{protocol}": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        neighbour = await host.start(driver, network)
        stranger = await host.start(driver, other)
        udp = protocol == "udp"
        reach = host.reach_udp if udp else host.reach
        with (host.serve_udp if udp else host.serve)(container, 80) as server:
            assert reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
            assert reach(None, server, "127.0.0.1", 8080) == "172.17.0.1"
            assert reach(None, server, HOST_ADDRESS, 8080) == HOST_ADDRESS
            assert reach(None, server, "172.17.0.1", 8080) == "172.17.0.1"
            assert reach(container, server, HOST_ADDRESS, 8080) == "172.17.0.1"
            assert reach(neighbour, server, HOST_ADDRESS, 8080) == "172.17.0.1"
            assert reach(neighbour, server, "172.17.0.1", 8080) == "172.17.0.1"
            assert reach(stranger, server, HOST_ADDRESS, 8080) == "172.17.0.1"
            await host.stop(driver, container)
            with pytest.raises(UNREACHABLE):
                reach(host.outside, server, HOST_ADDRESS, 8080, timeout=0.5)
            with pytest.raises(UNREACHABLE):
                reach(None, server, "127.0.0.1", 8080, timeout=0.5)

    on_host(body)


def test_a_port_on_loopback_is_for_the_host_alone(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"80/tcp": [PortBinding("127.0.0.1", "8080")]}
        container = await host.start(driver, network, publish=publish)
        host.run("ip", "route", "add", "172.17.0.0/16", "via", HOST_ADDRESS, inside=host.outside)
        host.run("ip", "route", "add", "127.0.0.1", "via", HOST_ADDRESS, inside=host.outside)
        script = (
            "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet;"
            "ip addr flush dev lo; ip route flush table local dev lo;"
            f"ip route replace 127.0.0.1/32 via {HOST_ADDRESS} src {OUTSIDE_ADDRESS}"
        )
        host.run("sh", "-c", script, inside=host.outside)
        _code, route = host.run("ip", "route", "get", "127.0.0.1", inside=host.outside)
        assert HOST_ADDRESS in route
        with host.serve(container, 80) as server, host.serve(None, 9090, "127.0.0.1") as private:
            assert host.reach(None, server, "127.0.0.1", 8080) == "172.17.0.1"
            for address, port in (
                (HOST_ADDRESS, 8080),
                ("172.17.0.1", 8080),
                (container.address, 80),
                ("127.0.0.1", 8080),
            ):
                with pytest.raises(UNREACHABLE):
                    host.reach(host.outside, server, address, port, timeout=0.4)
            # route_localnet on the bridge does not open the host's loopback to containers
            host.run("sh", "-c", "ip addr flush dev lo", inside=container)
            host.run("sh", "-c", "ip route flush table local dev lo", inside=container)
            host.run("ip", "route", "add", "127.0.0.1", "via", "172.17.0.1", inside=container)
            host.run(
                "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet", inside=container
            )
            _code, route = host.run("ip", "route", "get", "127.0.0.1", inside=container)
            assert "172.17.0.1" in route
            with pytest.raises(UNREACHABLE):
                host.reach(container, private, "127.0.0.1", 9090, timeout=0.4)

    on_host(body)


def test_unpublished_ports_are_not_reached_from_outside(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"80/tcp": [PortBinding(HOST_ADDRESS, "8080")]}
        container = await host.start(driver, network, publish=publish)
        host.run("ip", "route", "add", "172.17.0.0/16", "via", HOST_ADDRESS, inside=host.outside)
        with host.serve(container, 80) as server, host.serve(container, 81) as hidden:
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
            with pytest.raises(UNREACHABLE):
                host.reach(None, server, "127.0.0.1", 8080, timeout=0.4)
            for port in (80, 81):
                with pytest.raises(TimeoutError):
                    host.reach(host.outside, hidden, container.address, port, timeout=0.4)

    on_host(body)


def test_networks_are_apart(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        other = await driver.create(bridge_network("other"))
        inner = await driver.create(bridge_network("inner", internal=True))
        quiet = await driver.create(
            bridge_network("quiet", options={"com.docker.network.bridge.enable_icc": "false"})
        )
        assert other.ipam.config
        assert other.ipam.config[0].subnet == "172.18.0.0/16"
        one, two = await host.start(driver, network), await host.start(driver, other)
        three, four = await host.start(driver, inner), await host.start(driver, inner)
        five, six = await host.start(driver, quiet), await host.start(driver, quiet)
        with host.serve(two, 80) as server, pytest.raises(TimeoutError):
            host.reach(one, server, two.address, 80, timeout=0.4)
        with host.serve(four, 80) as server:
            assert host.reach(three, server, four.address, 80) == three.address
            with pytest.raises(UNREACHABLE):
                host.reach(one, server, four.address, 80, timeout=0.4)
        assert three.connection.endpoints["inner"].gateway == ""
        with host.serve(host.outside, 7000) as server:
            host.run("ip", "route", "add", "default", "via", "172.19.0.1", inside=three)
            with pytest.raises(UNREACHABLE):
                host.reach(three, server, OUTSIDE_ADDRESS, 7000, timeout=0.4)
            assert host.reach(five, server, OUTSIDE_ADDRESS, 7000) == HOST_ADDRESS
        with host.serve(six, 80) as server, pytest.raises(UNREACHABLE):
            host.reach(five, server, six.address, 80, timeout=0.4)

    on_host(body)


def test_port_conflicts_are_told_in_dockers_words(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"80/tcp": [PortBinding("", "8080")]}
        first = await host.start(driver, network, publish=publish)
        with pytest.raises(Internal) as own:
            await driver.join(join_request(network, publish=publish, name="web"))
        assert str(own.value).startswith(
            "driver failed programming external connectivity on endpoint web ("
        )
        assert str(own.value).endswith("): Bind for 0.0.0.0:8080 failed: port is already allocated")
        with pytest.raises(OSError, match="in use"), host.serve(None, 8080):
            pass
        with host.serve(None, 8081), pytest.raises(Internal) as foreign:
            await driver.join(join_request(network, publish={"80/tcp": [PortBinding("", "8081")]}))
        assert str(foreign.value).endswith("/tcp: address already in use")
        await host.stop(driver, first)
        again = await host.start(driver, network, publish=publish)
        assert again.connection.ports[0].host_port == 8080

    on_host(body)


def test_ranges_and_ephemeral_ports_skip_what_is_taken(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        with host.serve(None, 8000):
            ports = [
                (
                    await host.start(
                        driver, network, publish={"80/tcp": [PortBinding("", "8000-8002")]}
                    )
                ).connection.ports[0]
                for _ in range(2)
            ]
            assert [port.host_port for port in ports] == [8001, 8002]
            with pytest.raises(Internal):
                await host.start(
                    driver, network, publish={"80/tcp": [PortBinding("", "8000-8002")]}
                )
        lone = await host.start(driver, network, publish={"80/tcp": [PortBinding()]})
        assert 32768 <= lone.connection.ports[0].host_port <= 60999

    on_host(body)


def test_connect_and_disconnect_change_a_running_sandbox(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        other = await driver.create(bridge_network("other"))
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        friend = await host.start(driver, other)
        endpoint = await driver.connect(container.id, container.pid, other, EndpointSettings())
        assert endpoint.interface == "eth1"
        assert set(driver.addresses(other.id)) == {container.id, friend.id}
        with host.serve(container, 80) as server:
            assert host.reach(friend, server, endpoint.address, 80) == friend.address
            first = container.connection.endpoints["bridge"]
            await driver.disconnect(container.id, container.pid, first)
            await driver.disconnect(container.id, container.pid, first)
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
        with host.serve(host.outside, 7000) as server:
            assert host.reach(container, server, OUTSIDE_ADDRESS, 7000) == HOST_ADDRESS
        assert first.host_interface not in host.link_names()
        await driver.disconnect(container.id, container.pid, endpoint)
        assert driver.addresses(other.id).keys() == {friend.id}

    on_host(body)


def test_requested_addresses_are_given_once(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network("fixed", subnet="10.5.0.0/24"))
        holder = await host.start(driver, network, address="10.5.0.77")
        assert holder.address == "10.5.0.77"
        with pytest.raises(Conflict):
            await host.start(driver, network, address="10.5.0.77")
        await host.stop(driver, holder)
        again = await host.start(driver, network, address="10.5.0.77")
        assert again.address == "10.5.0.77"
        with pytest.raises(Forbidden):
            await driver.create(bridge_network("clash", subnet="10.5.0.0/16"))

    on_host(body)


def test_a_new_holder_of_an_address_is_reached_at_once(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network("fixed", subnet="10.5.0.0/24"))
        neighbour = await host.start(driver, network)
        late = 0
        for _ in range(5):
            holder = await host.start(driver, network, address="10.5.0.77")
            with host.serve(holder, 80) as server:
                for client in (neighbour, None):
                    # Less than the second after which a lost first packet is repeated.
                    try:
                        assert host.reach(client, server, "10.5.0.77", 80, timeout=0.9)
                    except TimeoutError:
                        late += 1
            await host.stop(driver, holder)
        # A neighbour that kept a wrong hardware address would be late every time; a busy machine
        # now and then.
        assert late <= 3

    on_host(body)


def test_an_ended_containers_interface_is_cut_off_from_those_who_share_it(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver(grace=0.0)
        await driver.restore([], [])
        network = await driver.create(bridge_network("fixed", subnet="10.5.0.0/24"))
        holder = await host.start(driver, network, address="10.5.0.77")
        code, _ = host.run("true", inside=holder)
        assert code == 0
        sharer = subprocess.Popen(
            ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "/bin/busybox", "sleep", "60"]
        )
        try:
            while True:
                _, output = host.run("readlink", f"/proc/{sharer.pid}/ns/net")
                if output == host.run("readlink", f"/proc/{holder.pid}/ns/net")[1]:
                    break
            await host.stop(driver, holder)
            again = await host.start(driver, network, address="10.5.0.77")
            assert holder.connection.endpoints["fixed"].host_interface not in host.link_names()
            with host.serve(again, 80) as server:
                assert host.reach(None, server, "10.5.0.77", 80) == "10.5.0.1"
        finally:
            sharer.kill()
            sharer.wait()

    on_host(body)


def test_a_flushed_ruleset_comes_back(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        assert host.run("nft", "flush", "ruleset")[0] == 0
        await host.start(driver, network)
        with host.serve(container, 80) as server:
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
        assert host.run("nft", "delete", "table", "ip", "wharfie")[0] == 0
        await host.stop(driver, container)
        assert "8080" not in host.run("nft", "list", "ruleset")[1]

    on_host(body)


def test_b165_the_administrators_chain_is_asked_first_and_stays(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        with host.serve(container, 80) as server:
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
            rule = ("ip", "wharfie_user", "forward", "ip", "saddr", OUTSIDE_ADDRESS, "drop")
            assert host.run("nft", "add", "rule", *rule)[0] == 0
            with pytest.raises(OSError, match="timed out"):
                host.reach(host.outside, server, HOST_ADDRESS, 8080, timeout=0.3)
            driver.close()
            later = host.driver()
            live = LiveConnection(container.id, container.pid, container.connection)
            await later.restore([network], [live])
            with pytest.raises(OSError, match="timed out"):
                host.reach(host.outside, server, HOST_ADDRESS, 8080, timeout=0.3)
            assert host.run("nft", "flush", "chain", "ip", "wharfie_user", "forward")[0] == 0
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS

    on_host(body)


def test_traffic_passes_beside_an_engine_that_drops_by_policy(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        assert host.run("nft", "add table ip filter")[0] == 0
        script = (
            "add chain ip filter DOCKER-USER\n"
            "add chain ip filter FORWARD "
            "{ type filter hook forward priority 0; policy drop; }\n"
            "add rule ip filter FORWARD counter jump DOCKER-USER\n"
        )
        assert host.run("nft", script)[0] == 0
        driver = host.driver()
        await driver.restore([], [])
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        container = await host.start(driver, network)
        with host.serve(host.outside, 7000) as server:
            assert host.reach(container, server, OUTSIDE_ADDRESS, 7000) == HOST_ADDRESS
        assert host.run("nft", "list", "ruleset")[1].count("accepted traffic passes") == 1

    on_host(body)


def test_a_foreign_docker0_is_left_alone(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        host.run("ip", "link", "add", "docker0", "type", "bridge")
        host.run("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
        host.run("ip", "link", "set", "docker0", "up")
        before = host.run("ip", "addr", "show", "docker0")[1]
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        assert network.options["com.docker.network.bridge.name"] == "wharfie0"
        assert network.ipam.config
        assert network.ipam.config[0].subnet == "172.18.0.0/16"
        await driver.delete(network)
        assert host.run("ip", "addr", "show", "docker0")[1] == before
        assert "wharfie0" not in host.link_names()

    on_host(body)


def test_b168_udp_flows_follow_a_port_to_its_new_holder(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {"53/udp": [PortBinding("", "5353")]}
        one = await host.start(driver, network, publish=publish)
        with host.socket(host.outside, socket.SOCK_DGRAM) as client:
            client.connect((HOST_ADDRESS, 5353))
            with host.serve_udp(one, 53) as server:
                client.send(b"a")
                assert server.recvfrom(4)[0] == b"a"
            await host.stop(driver, one)
            two = await host.start(driver, network, publish=publish)
            with host.serve_udp(two, 53) as server:
                client.send(b"b")
                assert server.recvfrom(4)[0] == b"b"

    on_host(body)
