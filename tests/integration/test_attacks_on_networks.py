"""Group F of the security cases: attacks on networks, each with its benign twin.

F1 (questions leaving an internal network) and F6 (names) are in test_name_service, F2 (flushed
rules) and F4 (IPv6 by surprise) in test_network_families.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.network_host import (
    HOST_ADDRESS,
    OUTSIDE_ADDRESS,
    Container,
    Host,
    bridge_network,
    run_on_host,
)
from wharfie.kernel import netns
from wharfie.model.network import PortBinding

pytestmark = pytest.mark.root

UNREACHABLE = (TimeoutError, ConnectionRefusedError, BlockingIOError)
OnHost = Callable[[Callable[[Host], Awaitable[None]]], None]


@pytest.fixture
def on_host(tmp_path: Path) -> OnHost:
    return lambda body: run_on_host(str(tmp_path), body)


def raw_udp(source: str, target: str, port: int) -> bytes:
    """A UDP packet with whatever source address."""
    data = b"forged"
    udp = struct.pack(">HHHH", 5555, port, 8 + len(data), 0) + data
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
        socket.inet_aton(source), socket.inet_aton(target),
    )  # fmt: skip
    return head + udp


def send_raw(container: Container, packet: bytes, target: str) -> None:
    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(packet, (target, 0))

    with open(f"/proc/{container.pid}/ns/net") as file:
        netns.call_inside(file.fileno(), send)


def test_f3_a_loopback_port_is_not_reached_by_a_route(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        publish = {
            "80/tcp": [PortBinding("127.0.0.1", "8080")],
            "81/tcp": [PortBinding("", "8081")],
        }
        container = await host.start(driver, network, publish=publish)
        host.run("ip", "route", "add", "172.16.0.0/12", "via", HOST_ADDRESS, inside=host.outside)
        with host.serve(container, 80) as private, host.serve(container, 81) as public:
            for address, port in ((HOST_ADDRESS, 8080), (container.address, 80),
                                  ("172.17.0.1", 8080), (container.address, 81)):  # fmt: skip
                with pytest.raises(UNREACHABLE):
                    host.reach(host.outside, private, address, port, timeout=0.4)
            assert host.reach(None, private, "127.0.0.1", 8080)
            assert host.reach(host.outside, public, HOST_ADDRESS, 8081) == OUTSIDE_ADDRESS

    on_host(body)


def test_f5_forged_sources_do_not_cross_networks(on_host: OnHost) -> None:
    """A packet that claims to come from the other network, or from the gateway, is dropped."""

    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        victims = await driver.create(bridge_network())
        attackers = await driver.create(bridge_network("attackers"))
        victim = await host.start(driver, victims)
        neighbour = await host.start(driver, victims)
        attacker = await host.start(driver, attackers)
        with host.serve_udp(victim, 9000) as server:
            server.settimeout(0.5)
            for source in (neighbour.address, "172.17.0.1", OUTSIDE_ADDRESS, attacker.address):
                packet = raw_udp(source, victim.address, 9000)
                send_raw(attacker, packet, victim.address)
                with pytest.raises(TimeoutError):
                    server.recvfrom(64)
            packet = raw_udp(neighbour.address, victim.address, 9000)
            send_raw(neighbour, packet, victim.address)
            assert server.recvfrom(64)[0] == b"forged"

    on_host(body)


def test_f5_without_icc_containers_do_not_see_each_other(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        option = {"com.docker.network.bridge.enable_icc": "false"}
        quiet = await driver.create(bridge_network("quiet", options=option))
        chatty = await driver.create(bridge_network("chatty"))
        one, two = await host.start(driver, quiet), await host.start(driver, quiet)
        three, four = await host.start(driver, chatty), await host.start(driver, chatty)
        with host.serve(two, 80) as server:
            with pytest.raises((*UNREACHABLE, OSError)):
                host.reach(one, server, two.address, 80, timeout=0.5)
            # Nor by way of the bridge: as if the neighbour were behind the gateway.
            host.run("ip", "route", "add", two.address, "via", "172.18.0.1", inside=one)
            with pytest.raises((*UNREACHABLE, OSError)):
                host.reach(one, server, two.address, 80, timeout=0.5)
        with host.serve(four, 80) as server:
            assert host.reach(three, server, four.address, 80) == three.address

    on_host(body)


def test_f5_a_container_is_no_way_into_the_host_beside_its_services(on_host: OnHost) -> None:
    """The host's loopback stays the host's, whatever routes a container sets."""

    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(bridge_network())
        container = await host.start(driver, network)
        script = (
            "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet;"
            "ip addr flush dev lo; ip route flush table local dev lo;"
            "ip route add 127.0.0.1/32 via 172.17.0.1"
        )
        with host.serve(None, 9090, "127.0.0.1") as private, host.serve(None, 9091) as public:
            assert host.reach(container, public, "172.17.0.1", 9091) == container.address
            host.run("sh", "-c", script, inside=container)
            with pytest.raises((*UNREACHABLE, OSError)):
                host.reach(container, private, "127.0.0.1", 9090, timeout=0.4)

    on_host(body)
