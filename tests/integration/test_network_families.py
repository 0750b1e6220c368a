"""IPv6, gateway modes and who may reach what, on a real kernel with an outside."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from msgspec import structs

from support.network_host import (
    HOST_ADDRESS,
    OUTSIDE_ADDRESS,
    Container,
    Host,
    bridge_network,
    run_on_host,
)
from wharfie.kernel import netns
from wharfie.model.errors import Forbidden
from wharfie.model.network import IPAM, IPAMConfig, LiveConnection, Network, PortBinding

pytestmark = pytest.mark.root

UNREACHABLE = (TimeoutError, ConnectionRefusedError, BlockingIOError, OSError)
OnHost = Callable[[Callable[[Host], Awaitable[None]]], None]
HOST6, OUTSIDE6 = "2001:db8::1", "2001:db8::2"


@pytest.fixture
def on_host(tmp_path: Path) -> OnHost:
    async def with_ipv6(host: Host, body: Callable[[Host], Awaitable[None]]) -> None:
        host.run("ip", "-6", "address", "add", f"{HOST6}/64", "dev", "eth9", "nodad")
        host.run(
            "ip", "-6", "address", "add", f"{OUTSIDE6}/64", "dev", "up0", "nodad",
            inside=host.outside,
        )  # fmt: skip
        await body(host)

    return lambda body: run_on_host(str(tmp_path), lambda host: with_ipv6(host, body))


def dual(name: str = "dual", *configs: IPAMConfig, **fields: object) -> Network:
    return structs.replace(
        bridge_network(name), enable_ipv6=True, ipam=IPAM(config=[*configs]), **fields
    )


def endpoint(container: Container):
    return next(iter(container.connection.endpoints.values()))


def socket6(host: Host, where: int | Container | None) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        made.settimeout(2.0)
        return made

    if where is None:
        return make()
    if isinstance(where, int):
        return netns.call_inside(where, make)
    with open(f"/proc/{where.pid}/ns/net") as file:
        return netns.call_inside(file.fileno(), make)


def serve6(host: Host, where: Container, port: int) -> socket.socket:
    server = socket6(host, where)
    server.bind(("::", port))
    server.listen(8)
    return server


def reach6(host: Host, where: int | Container | None, server, address: str, port: int,
           timeout: float = 2.0) -> str:  # fmt: skip
    with socket6(host, where) as client:
        client.settimeout(timeout)
        client.connect((address, port))
        accepted, peer = server.accept()
        with accepted:
            client.sendall(b"ping")
            assert accepted.recv(4) == b"ping"
    return str(peer[0])


def test_b170_a_network_without_a_subnet_gets_a_local_one(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(dual())
        assert network.ipam.config is not None
        four, six = network.ipam.config
        assert four.subnet.startswith("172.")
        assert six.subnet.startswith("fd")
        assert six.subnet.endswith("/64")
        other = await driver.create(dual("other"))
        assert other.ipam.config is not None
        assert other.ipam.config[1].subnet != six.subnet
        one, two = await host.start(driver, network), await host.start(driver, network)
        assert endpoint(one).ipv6_prefix == 64
        assert endpoint(one).ipv6_gateway == six.gateway
        with serve6(host, two, 80) as server:
            address = endpoint(two).ipv6_address
            assert reach6(host, one, server, address, 80) == endpoint(one).ipv6_address
            stranger = await host.start(driver, other)
            with pytest.raises(UNREACHABLE):
                reach6(host, stranger, server, address, 80, timeout=0.4)

    on_host(body)


def test_ipv6_reaches_the_outside_with_the_hosts_address_and_is_published(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(dual())
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        told = [(one.host_ip, one.host_port) for one in container.connection.ports]
        assert told == [("0.0.0.0", 8080), ("::", 8080)]
        with serve6(host, container, 80) as server:
            assert reach6(host, host.outside, server, HOST6, 8080) == OUTSIDE6
            assert reach6(host, None, server, HOST6, 8080)
            host.run("ip", "-6", "route", "add", "fd00::/8", "via", HOST6, inside=host.outside)
            with pytest.raises(UNREACHABLE):
                reach6(host, host.outside, server, endpoint(container).ipv6_address, 80, 0.4)
        with socket6(host, host.outside) as server:
            server.bind((OUTSIDE6, 7000))
            server.listen(4)
            assert reach6(host, container, server, OUTSIDE6, 7000) == HOST6

    on_host(body)


def test_f4_an_ipv4_network_has_no_ipv6_at_all(on_host: OnHost) -> None:
    """CVE-2024-32473: not even a link-local address, and router advertisements are not heard."""

    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        plain = await host.start(driver, await driver.create(bridge_network()))
        told = host.run("ip", "-6", "address", "show", "dev", "eth0", inside=plain)[1]
        assert "inet6" not in told
        assert "inet6" not in host.run("ip", "-6", "address", "show", "dev", "docker0")[1]
        twin = await host.start(driver, await driver.create(dual()))
        told = host.run("ip", "-6", "address", "show", "dev", "eth0", inside=twin)[1]
        assert endpoint(twin).ipv6_address in told
        accept = host.run("cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra", inside=twin)[1]
        assert accept.strip() == "0"

    on_host(body)


def test_ipv6_alone_and_addresses_asked_for(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        config = IPAMConfig(subnet="2001:db8:1::/64", gateway="2001:db8:1::99")
        network = await driver.create(dual("six", config, enable_ipv4=False))
        container = await host.start(driver, network)
        assert endpoint(container).address == ""
        assert IPv6Address(endpoint(container).ipv6_address) == IPv6Address("2001:db8:1::1")
        assert endpoint(container).ipv6_gateway == "2001:db8:1::99"
        with pytest.raises(Forbidden):
            await driver.create(dual("clash", IPAMConfig(subnet="2001:db8:1::/80")))

    on_host(body)


def test_an_ipv6_subnet_alone_enables_no_ipv6(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        config = IPAMConfig(subnet="2001:db8:1::/64")
        wished = structs.replace(bridge_network("v4"), ipam=IPAM(config=[config]))
        network = await driver.create(wished)
        assert config in network.ipam.config
        container = await host.start(driver, network)
        assert endpoint(container).address
        assert endpoint(container).ipv6_address == ""

    on_host(body)


def test_b163_routed_networks_open_published_ports_alone(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        mode = {"com.docker.network.bridge.gateway_mode_ipv4": "routed"}
        network = await driver.create(bridge_network("routed", options=mode))
        container = await host.start(driver, network, publish={"80/tcp": [PortBinding()]})
        assert container.connection.ports[0].host_port == 0
        host.run("ip", "route", "add", "172.16.0.0/12", "via", HOST_ADDRESS, inside=host.outside)
        address = container.address
        with host.serve(container, 80) as server, host.serve(container, 81) as hidden:
            assert host.reach(host.outside, server, address, 80) == OUTSIDE_ADDRESS
            with pytest.raises(UNREACHABLE):
                host.reach(host.outside, hidden, address, 81, timeout=0.4)
        with host.serve(host.outside, 7000) as server:
            assert host.reach(container, server, OUTSIDE_ADDRESS, 7000) == address
        await host.stop(driver, container)
        await driver.delete(network)
        assert host.run("nft", "list", "set", "ip", "wharfie", "open")[1].count("elements") == 0

    on_host(body)


def test_direct_routing_opens_published_ports_at_their_containers(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver(direct_routing=True)
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {
            "80/tcp": [PortBinding("", "8080")],
            "82/tcp": [PortBinding("", "8082", ["203.0.113.0/24"])],
        }
        container = await host.start(driver, network, publish=publish)
        host.run("ip", "route", "add", "172.16.0.0/12", "via", HOST_ADDRESS, inside=host.outside)
        with host.serve(container, 80) as server, host.serve(container, 81) as hidden:
            assert host.reach(host.outside, server, container.address, 80) == OUTSIDE_ADDRESS
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
            for port in (81, 82):
                with pytest.raises(UNREACHABLE):
                    host.reach(host.outside, hidden, container.address, port, timeout=0.4)
        await host.stop(driver, container)
        with host.serve(None, 9000) as server:
            again = await host.start(driver, network, publish=publish)
            assert host.reach(again, server, HOST_ADDRESS, 9000) == again.address

    on_host(body)


def test_b163_networks_without_protection_are_reached_at_every_port(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        mode = {"com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected"}
        network = await driver.create(bridge_network("bare", options=mode))
        container = await host.start(driver, network)
        host.run("ip", "route", "add", "172.16.0.0/12", "via", HOST_ADDRESS, inside=host.outside)
        with host.serve(container, 81) as server:
            assert host.reach(host.outside, server, container.address, 81) == OUTSIDE_ADDRESS

    on_host(body)


def test_b163_an_isolated_network_does_not_reach_the_host(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        mode = {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
        network = await driver.create(bridge_network("alone", internal=True, options=mode))
        assert network.ipam.config
        gateway = network.ipam.config[0].gateway
        container = await host.start(driver, network)
        twin = await host.start(driver, await driver.create(bridge_network("inner", internal=True)))
        with host.serve(None, 9000) as server:
            with pytest.raises(UNREACHABLE):
                host.reach(container, server, gateway, 9000, timeout=0.4)
            assert host.reach(twin, server, "172.18.0.1", 9000) == twin.address

    on_host(body)


def test_a_port_for_some_is_closed_for_others(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {
            "80/tcp": [PortBinding("", "8080", ["198.51.100.0/30"])],
            "81/tcp": [PortBinding("", "8081", ["203.0.113.0/24", "2001:db8::/32"])],
            "82/tcp": [PortBinding("", "8082")],
        }
        container = await host.start(driver, network, publish=publish)
        for port, opened in ((80, True), (81, False), (82, True)):
            with host.serve(container, port) as server:
                if opened:
                    host.reach(host.outside, server, HOST_ADDRESS, 8000 + port)
                else:
                    with pytest.raises(UNREACHABLE):
                        host.reach(host.outside, server, HOST_ADDRESS, 8000 + port, timeout=0.4)
                # The host itself is never shut out.
                host.reach(None, server, "127.0.0.1", 8000 + port)
        await host.stop(driver, container)
        assert "dport" not in host.run("nft", "list", "chain", "ip", "wharfie", "admission")[1]

    on_host(body)


def test_f2_what_others_flush_is_back_within_seconds(on_host: OnHost) -> None:
    """GHSA-x4rx-4gw3-53p4; the administrator's own chain is asked first and kept."""

    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(dual())
        publish = {"80/tcp": [PortBinding("127.0.0.1", "8080", ["198.51.100.2/32"])]}
        await host.start(driver, network, publish=publish)

        def rules() -> str:
            told = host.run("nft", "list", "ruleset")[1]
            return "\n".join(sorted(told.splitlines()))

        before = rules()
        assert "chain admission" in before
        for command in (
            ["flush", "ruleset"],
            ["delete", "table", "ip6", "wharfie"],
            ["flush", "chain", "ip", "wharfie", "forward"],
            ["flush", "chain", "ip", "wharfie", "admission"],
            ["flush", "map", "ip", "wharfie", "published_on"],
            ["flush", "set", "ip6", "wharfie", "bridges"],
        ):
            assert host.run("nft", *command)[0] == 0
            for _ in range(500):
                if rules() == before:
                    break
                await asyncio.sleep(0.01)
            assert rules() == before, command
        host.run(
            "nft", "add", "rule", "ip", "wharfie_user", "forward", "tcp", "dport", "80", "drop"
        )
        host.run("nft", "flush", "chain", "ip", "wharfie", "forward")
        await asyncio.sleep(0.5)
        assert "tcp dport 80 drop" in host.run("nft", "list", "table", "ip", "wharfie_user")[1]

    on_host(body)


def test_a_restart_knows_ipv6_endpoints_again(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(dual())
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(driver, network, publish=publish)
        driver.close()
        host.run("nft", "flush", "ruleset")
        again = host.driver()
        live = [LiveConnection(container.id, container.pid, container.connection)]
        await again.restore([network], live)
        with serve6(host, container, 80) as server:
            assert reach6(host, host.outside, server, HOST6, 8080) == OUTSIDE6
        other = await host.start(again, network)
        assert endpoint(other).ipv6_address != endpoint(container).ipv6_address

    on_host(body)
