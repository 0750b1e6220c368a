"""How long networking takes of a container's start, and how many starts a second it allows.

    .venv/bin/python bench/network.py [--rounds N] [--seconds S]

Runs as root in a network namespace of its own. Figures: join and leave one at a time, on demand
and from the pool, with and without a published port; one firewall change; joins and leaves by 16
workers at once for some seconds, each sandbox made, connected, left and freed by the kernel. The
floor of each is the bare system calls: unshare, a veth pair, an nfnetlink batch.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from wharfie.drivers.network import BridgeNetworks, NetworkSettings
from wharfie.drivers.network.firewall import ruleset as rules
from wharfie.drivers.network.links import random_mac, veth_name
from wharfie.formats.network import nft, rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket
from wharfie.model.clock import now
from wharfie.model.ids import ContainerId, NetworkId, generate_id
from wharfie.model.network import EndpointSettings, JoinRequest, Network, PortBinding

WORKERS = 16


def report(name: str, samples: list[float], unit: str = "ms", scale: float = 1e3) -> None:
    ordered = sorted(samples)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(
        f"{name:46} p50 {statistics.median(ordered) * scale:8.3f} {unit}"
        f"  p95 {p95 * scale:8.3f}  min {ordered[0] * scale:8.3f}"
        f"  max {ordered[-1] * scale:8.3f}  n {len(ordered)}"
    )


def request(network: Network | None, *, publish: bool = False) -> JoinRequest:
    return JoinRequest(
        container_id=ContainerId(generate_id()),
        container_name="bench",
        networks=[(network, EndpointSettings())] if network else [],
        publish={"80/tcp": [PortBinding()]} if publish else {},
    )


async def one_at_a_time(
    name: str,
    driver: BridgeNetworks,
    network: Network | None,
    rounds: int,
    *,
    publish: bool = False,
    pause: float = 0.0,
) -> None:
    joins, leaves = [], []
    for _ in range(rounds):
        wish = request(network, publish=publish)
        started = time.perf_counter()
        connection = await driver.join(wish)
        joined = time.perf_counter()
        await driver.leave(wish.container_id, connection)
        joins.append(joined - started)
        leaves.append(time.perf_counter() - joined)
        await asyncio.sleep(pause)
    report(f"join, {name}", joins)
    report(f"leave, {name}", leaves)


async def sustained(
    name: str, driver: BridgeNetworks, network: Network, seconds: float, *, publish: bool = False
) -> None:
    joins: list[float] = []
    stalls: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while time.perf_counter() < end:
            wish = request(network, publish=publish)
            started = time.perf_counter()
            connection = await driver.join(wish)
            joins.append(time.perf_counter() - started)
            await driver.leave(wish.container_id, connection)

    async def heartbeat() -> None:
        while time.perf_counter() < end:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - before - 0.001)

    started = time.perf_counter()
    cpu = time.process_time()
    await asyncio.gather(heartbeat(), *(worker() for _ in range(WORKERS)))
    took = time.perf_counter() - started
    spent = (time.process_time() - cpu) / len(joins)
    drained = time.perf_counter()
    with NetlinkSocket(NETLINK_ROUTE) as links:
        while len(links.dump(rtnetlink.list_links())) > 50:
            await asyncio.sleep(0.01)
    print(
        f"{name}: {len(joins) / took:6.1f} joins+leaves/s with {WORKERS} workers, "
        f"{spent * 1e3:.2f} ms CPU each; drained in {time.perf_counter() - drained:.2f} s"
    )
    report(f"  join under load, {name}", joins)
    report(f"  event loop stall, {name}", stalls)


def floors(rounds: int) -> None:
    home = netns.open_current()
    times: dict[str, list[float]] = {"unshare": [], "veth into the namespace": []}

    def timed(name: str, action: Callable[[], object]) -> None:
        started = time.perf_counter()
        action()
        times[name].append(time.perf_counter() - started)

    for _ in range(rounds):
        timed("unshare", netns.unshare)
        with NetlinkSocket(NETLINK_ROUTE) as inside:
            veth = rtnetlink.create_veth("eth0", veth_name(), namespace=home, mac=random_mac())
            timed("veth into the namespace", lambda veth=veth: inside.run([veth]))
        netns.enter(home)
    os.close(home)
    for name, samples in times.items():
        report(f"floor: {name}", samples)


def elements(rounds: int, present: int) -> None:
    table = nft.Table("bench")
    network = rules.NetworkRules(bridge="docker0", subnet=IPv4Network("172.17.0.0/16"))

    def port(number: int) -> rules.PortRule:
        return rules.PortRule(
            protocol="tcp",
            host_address=IPv4Address("0.0.0.0"),
            host_port=number,
            address=IPv4Address("172.17.0.2"),
            port=80,
        )

    ports = [port(1000 + number) for number in range(present)]
    adds, deletes = [], []
    with NetlinkSocket(NETLINK_NETFILTER) as socket:
        socket.transact(nft.batch(rules.ruleset(table, [network], ports)))
        for number in range(rounds):
            one = [port(30000 + number)]
            started = time.perf_counter()
            socket.transact(nft.batch(rules.add_ports(table, one)))
            adds.append(time.perf_counter() - started)
            started = time.perf_counter()
            socket.transact(nft.batch(rules.delete_ports(table, one)))
            deletes.append(time.perf_counter() - started)
        socket.transact(nft.batch([nft.delete_table(table)]))
    report(f"publish one port, {present} present", adds, "us", 1e6)
    report(f"unpublish one port, {present} present", deletes, "us", 1e6)


async def measure(rounds: int, seconds: float) -> None:
    print(f"load average {os.getloadavg()}")
    elements(1000, 0)
    elements(1000, 1000)
    with tempfile.TemporaryDirectory() as root:
        for name, ready in (("on demand", 0), ("pool of 6", 6)):
            driver = BridgeNetworks(
                NetworkSettings(exec_root=root, ready=ready, most_ready=32 if ready else 0)
            )
            try:
                await driver.restore([], [])
                network = await driver.create(
                    Network(id=NetworkId(generate_id()), name="bench", created=now())
                )
                await asyncio.sleep(0.2)
                pause = 0.01 if ready else 0.0
                await one_at_a_time(name, driver, network, rounds, pause=pause)
                await one_at_a_time(
                    f"{name}, one port", driver, network, rounds, publish=True, pause=pause
                )
                await one_at_a_time(f"{name}, mode none", driver, None, rounds, pause=pause)
                await sustained(name, driver, network, seconds)
                await sustained(f"{name}, one port", driver, network, seconds, publish=True)
                await driver.delete(network)
            finally:
                driver.close()
    print(f"load average {os.getloadavg()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()

    def inside() -> None:
        netns.unshare()
        with NetlinkSocket(NETLINK_ROUTE) as links:
            links.run([rtnetlink.set_up(1)])
        floors(options.rounds)
        asyncio.run(measure(options.rounds, options.seconds))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
