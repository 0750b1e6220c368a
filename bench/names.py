"""User-defined networks: joining with names, lookups a second, throughput of a published port.

    .venv/bin/python bench/names.py [--rounds N] [--seconds S]

Runs as root in a network namespace of its own. Each figure is beside its floor in one run:
join and leave beside the bare netlink calls for the same namespace, pair, address, route and map
element; 16 at once beside the same; lookups beside a UDP server that sends constant bytes back;
throughput through a published port beside the direct path to the same container.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

from measuring.figures import Bench

from wharfie.drivers.network import BridgeNetworks, NetworkSettings
from wharfie.drivers.network.firewall import ruleset as rules
from wharfie.drivers.network.links import random_mac, veth_name
from wharfie.formats.network import nft, rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket
from wharfie.model.clock import now
from wharfie.model.ids import ContainerId, NetworkId, generate_id
from wharfie.model.network import EndpointSettings, JoinRequest, Network, PortBinding, Resolving

AT_ONCE = 16

CLIENT = """
import socket, sys, time
name, port, depth, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
query = b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"".join(bytes([len(p)]) + p.encode()
    for p in name.split(".")) + b"\\0\\0\\1\\0\\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.11", port))
s.settimeout(5)
count, times, end = 0, [], time.perf_counter() + seconds
while (start := time.perf_counter()) < end:
    for _ in range(depth):
        s.send(query)
    for _ in range(depth):
        s.recv(512)
    count += depth
    times.append(time.perf_counter() - start)
times.sort()
print(count / seconds, times[int(len(times) * 0.99)] * 1e6)
"""

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.11", 5399))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(512)
    s.sendto(data, peer)
"""

SINK = """
import socket, threading
s = socket.create_server(("0.0.0.0", 80))
print("ready", flush=True)
def swallow(c):
    buffer = bytearray(1 << 20)
    while c.recv_into(buffer):
        pass
    c.close()
while True:
    threading.Thread(target=swallow, args=(s.accept()[0],)).start()
"""


class Floor:
    """The bare calls of one container's networking."""

    def __init__(self) -> None:
        self.home = netns.open_current()
        self.links = NetlinkSocket(NETLINK_ROUTE)
        self.links.run([rtnetlink.create_bridge("floor0", mac=random_mac(), mtu=0)])
        link = rtnetlink.parse_link(self.links.run([rtnetlink.get_link("floor0")])[0])
        self.bridge = link.index
        self.links.run(
            [
                rtnetlink.add_address(self.bridge, IPv4Address("10.99.0.1"), 16),
                rtnetlink.set_up(self.bridge),
            ]
        )
        self.table = nft.Table("floor")
        self.firewall = NetlinkSocket(NETLINK_NETFILTER)
        network = rules.NetworkRules(bridge="floor0", subnet=IPv4Network("10.99.0.0/16"))
        self.firewall.transact(nft.batch(rules.ruleset(self.table, [network], [])))
        self.number = 0
        self.lock = threading.Lock()

    def one(self) -> None:
        with self.lock:
            self.number += 1
            number = self.number
        address = IPv4Address(int(IPv4Address("10.99.0.2")) + number % 60000)
        port = rules.PortRule(
            protocol="tcp",
            host_address=IPv4Address("0.0.0.0"),
            host_port=1024 + number % 60000,
            address=address,
            port=80,
        )
        with netns.inside_new(self.home) as namespace, NetlinkSocket(NETLINK_ROUTE) as inside:
            outside = veth_name()
            inside.run(
                [
                    rtnetlink.set_up(1),
                    rtnetlink.create_veth(
                        "eth0", outside, namespace=self.home, mac=random_mac(), index=64
                    ),
                ]
            )
            self.links.run(
                [
                    rtnetlink.enslave(outside, self.bridge),
                    rtnetlink.set_port(outside, hairpin=True, isolated=False),
                ]
            )
            inside.run(
                [
                    rtnetlink.add_address(64, address, 16),
                    rtnetlink.set_up(64),
                    rtnetlink.add_default_route(IPv4Address("10.99.0.1"), 64),
                ]
            )
            self.firewall.transact(nft.batch(rules.add_ports(self.table, [port])))
            self.firewall.transact(nft.batch(rules.delete_ports(self.table, [port])))
            os.close(namespace)


def request(network: Network) -> JoinRequest:
    name = generate_id()[:12]
    return JoinRequest(
        container_id=ContainerId(generate_id()),
        container_name=name,
        networks=[(network, EndpointSettings(dns_names=[name]))],
        publish={"80/tcp": [PortBinding()]},
        resolving=Resolving(),
    )


def inside(namespace: str, *command: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["nsenter", f"--net={namespace}", *command],
        stdout=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def queries(namespace: str, name: str, port: int, depth: int, seconds: float) -> list[float]:
    command = (sys.executable, "-c", CLIENT, name, str(port), str(depth), str(seconds))
    runs = [inside(namespace, *command) for _ in range(2 if depth > 1 else 1)]
    told = [run.communicate()[0].split() for run in runs]
    return [sum(float(one[0]) for one in told), max(float(one[1]) for one in told)]


class Throughput:
    """Megabytes a second from the host into a container, by two ways in turn.

    A hundred short slices alternate, so that whatever else the machine does slows both.
    """

    SLICES = 100

    def __init__(self, one: tuple[str, int], other: tuple[str, int], seconds: float) -> None:
        self._ways = (one, other)
        self._slice = seconds / self.SLICES
        self._last = 0.0

    def measured(self) -> float:
        """By the one way; the other is measured with it."""
        data = memoryview(bytes(1 << 18))
        sent, took = [0, 0], [0.0, 0.0]
        clients = [socket.create_connection(way, 5) for way in self._ways]
        try:
            for index in range(self.SLICES):
                which = (index + index // 2) % 2  # neither is always first
                start = time.perf_counter()
                while time.perf_counter() - start < self._slice:
                    sent[which] += clients[which].send(data)
                took[which] += time.perf_counter() - start
        finally:
            for client in clients:
                client.close()
        self._last = sent[1] / took[1] / 1e6
        return sent[0] / took[0] / 1e6

    def other(self) -> float:
        """By the other way, at the last time."""
        return self._last


async def measure(rounds: int, seconds: float, root: str) -> int:
    bench = Bench("names and user-defined networks")
    floor = Floor()
    driver = BridgeNetworks(NetworkSettings(exec_root=root))
    loop = asyncio.get_running_loop()
    try:
        await driver.restore([], [])
        network = await driver.create(
            Network(id=NetworkId(generate_id()), name="bench", created=now())
        )

        async def one() -> None:
            wish = request(network)
            connection = await driver.join(wish)
            await driver.leave(wish.container_id, connection)

        async def several() -> None:
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))

        pool = ThreadPoolExecutor(AT_ONCE)

        def wait(what) -> None:
            asyncio.run_coroutine_threadsafe(what(), loop).result()

        def measured() -> None:
            bench.measure(
                "join + leave, names and a port",
                lambda: wait(one),
                floor=floor.one,
                floor_name="bare netlink",
                rounds=rounds,
            )
            bench.measure(
                f"{AT_ONCE} at once",
                lambda: wait(several),
                floor=lambda: list(pool.map(lambda _: floor.one(), range(AT_ONCE))) and None,
                floor_name="bare netlink",
                rounds=max(3, rounds // 5),
            )

        await asyncio.to_thread(measured)
        await asyncio.sleep(1)
        wish = request(network)
        connection = await driver.join(wish)
        namespace = f"/proc/{os.getpid()}/fd/{connection.namespace.rpartition('/')[2]}"
        address = connection.endpoints["bench"].address

        def network_figures() -> None:
            echo = inside(namespace, sys.executable, "-c", ECHO)
            sink = inside(namespace, sys.executable, "-c", SINK)
            assert echo.stdout
            assert sink.stdout
            echo.stdout.readline()
            sink.stdout.readline()
            name = wish.container_name
            try:
                for depth, what in ((16, "lookups/s, 2 clients"), (1, "lookup p99, us")):
                    unit, index = ("/s", 0) if depth > 1 else ("us", 1)

                    def asked(port: int, depth: int = depth, index: int = index) -> float:
                        return queries(namespace, name, port, depth, seconds)[index]

                    bench.measure(
                        what,
                        lambda asked=asked: asked(53),
                        floor=lambda d=depth, i=index: queries(namespace, name, 5399, d, seconds)[
                            i
                        ],
                        floor_name="constant answer",
                        rounds=3,
                        warm_up=1,
                        unit=unit,
                    )
                port = connection.ports[0].host_port
                gateway = connection.endpoints["bench"].gateway
                ways = Throughput((gateway, port), (address, 80), seconds)
                bench.measure(
                    "MB/s through a published port",
                    ways.measured,
                    floor=ways.other,
                    floor_name="direct",
                    rounds=9,
                    warm_up=1,
                    unit="MB/s",
                )
            finally:
                for process in (echo, sink):
                    process.kill()
                    process.communicate()

        await asyncio.to_thread(network_figures)
        await driver.leave(wish.container_id, connection)
        await driver.delete(network)
    finally:
        driver.close()
    return bench.report()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    status: list[int] = []

    def body() -> None:
        netns.unshare()
        with NetlinkSocket(NETLINK_ROUTE) as links:
            links.run([rtnetlink.set_up(1)])
        with tempfile.TemporaryDirectory() as root:
            status.append(asyncio.run(measure(options.rounds, options.seconds, root)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    sys.exit(status[0] if status else 1)


if __name__ == "__main__":
    main()
