"""After whatever end of a daemon: what lives stays connected, all else is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from support.network_host import (
    HOST_ADDRESS,
    OUTSIDE_ADDRESS,
    Host,
    bridge_network,
    join_request,
    run_on_host,
)
from wharfie.drivers.network import BridgeNetworks
from wharfie.model.errors import Internal
from wharfie.model.network import LiveConnection, Network, PortBinding

pytestmark = pytest.mark.root

OnHost = Callable[[Callable[[Host], Awaitable[None]]], None]

JOIN_FOR_EVER = """
import asyncio, sys
from support.network_host import bridge_network, join_request
from wharfie.drivers.network import BridgeNetworks, NetworkSettings
from wharfie.model.network import PortBinding
import msgspec
from wharfie.model.network import Network

async def main():
    driver = BridgeNetworks(NetworkSettings(exec_root=sys.argv[1]))
    network = msgspec.json.decode(sys.argv[2].encode(), type=Network)
    await driver.restore([network], [])
    print("ready", flush=True)
    number = 0
    async def one():
        while True:
            publish = {"80/tcp": [PortBinding()], "53/udp": [PortBinding()]}
            request = join_request(network, publish=publish)
            connection = await driver.join(request)
            await driver.leave(request.container_id, connection)
    await asyncio.gather(*(one() for _ in range(6)))

asyncio.run(main())
"""


@pytest.fixture
def on_host(tmp_path: Path) -> OnHost:
    return lambda body: run_on_host(str(tmp_path), body)


async def _until(condition: Callable[[], bool]) -> None:
    """The kernel frees namespaces in the background and tells nobody."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def _fresh(host: Host) -> tuple[BridgeNetworks, Network]:
    driver = host.driver(ready=0, most_ready=0, grace=0.3)
    await driver.restore([], [])
    return driver, await driver.create(bridge_network())


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_many_joins_and_leaves_leave_nothing(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver, network = await _fresh(host)
        publish = {"80/tcp": [PortBinding()], "53/udp": [PortBinding("127.0.0.1", "")]}
        warm = await host.start(driver, network, publish=publish)
        await host.stop(driver, warm)
        await _until(lambda: host.link_names() == {"lo", "eth9", "docker0"} | _tunnels(host))
        rules = host.run("nft", "list", "ruleset")[1]
        descriptors = _descriptors()

        async def one() -> None:
            for _ in range(10):
                request = join_request(network, publish=publish)
                connection = await driver.join(request)
                await driver.leave(request.container_id, connection)
                await driver.leave(request.container_id, connection)

        await asyncio.gather(*(one() for _ in range(10)))
        await _until(lambda: host.link_names() == {"lo", "eth9", "docker0"} | _tunnels(host))
        await _until(lambda: len(driver._parts.departures) == 0)
        assert host.run("nft", "list", "ruleset")[1] == rules
        assert _descriptors() == descriptors
        assert not driver.addresses(network.id)
        assert os.listdir(os.path.join(host.exec_root, "netns")) == []
        assert len(driver._parts.ports) == 0

    on_host(body)


def _tunnels(host: Host) -> set[str]:
    return {name for name in host.link_names() if name.startswith(("ifb", "tun", "sit", "ip6"))}


def test_addresses_are_never_given_twice(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver(ready=2)
        await driver.restore([], [])
        network = await driver.create(bridge_network("small", subnet="10.9.0.0/28"))
        held: set[str] = set()

        async def one() -> None:
            for _ in range(8):
                request = join_request(network)
                connection = await driver.join(request)
                address = connection.endpoints["small"].address
                assert address not in held
                held.add(address)
                await asyncio.sleep(0)
                held.remove(address)
                await driver.leave(request.container_id, connection)

        await asyncio.gather(*(one() for _ in range(8)))

    on_host(body)


def test_a_failed_join_has_undone_what_it_did(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver, network = await _fresh(host)
        with host.serve(None, 8081):
            for _ in range(3):
                with pytest.raises(Internal):
                    await driver.join(
                        join_request(
                            network,
                            publish={
                                "79/tcp": [PortBinding("", "8080")],
                                "80/tcp": [PortBinding("", "8081")],
                            },
                        )
                    )
        assert len(driver._parts.ports) == 0
        assert not driver.addresses(network.id)
        assert "8080" not in host.run("nft", "list", "ruleset")[1]
        await _until(lambda: host.link_names() == {"lo", "eth9", "docker0"} | _tunnels(host))

    on_host(body)


def test_a_cancelled_join_is_undone(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver, network = await _fresh(host)
        publish = {"80/tcp": [PortBinding("", "8080")]}
        for pause in (0.0, 0.0002, 0.001, 0.003):
            request = join_request(network, publish=publish)
            joining = asyncio.ensure_future(driver.join(request))
            await asyncio.sleep(pause)
            joining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                # It may have been done before the cancellation came.
                await driver.leave(request.container_id, await joining)
            # Not later, for the next one wants the same port.
            assert len(driver._parts.ports) == 0
            assert not driver.addresses(network.id)
        assert "8080" not in host.run("nft", "list", "ruleset")[1]
        container = await host.start(driver, network, publish=publish)
        with host.serve(container, 80) as server:
            assert host.reach(None, server, "127.0.0.1", 8080) == "172.17.0.1"

    on_host(body)


def test_live_containers_survive_a_new_daemon(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        first, network = await _fresh(host)
        publish = {"80/tcp": [PortBinding("", "8080")]}
        container = await host.start(first, network, publish=publish)
        lost = await host.start(first, network)
        first.close()
        host.run("nft", "flush", "ruleset")
        host.run(
            "ip", "link", "set", container.connection.endpoints["bridge"].host_interface, "nomaster"
        )
        host.run("ip", "link", "add", "stale0", "type", "bridge")
        host.run("ip", "link", "set", "stale0", "alias", "wharfie")
        lost.kill()
        second = host.driver(ready=1)
        live = LiveConnection(container.id, container.pid, container.connection)
        await second.restore([network], [live])
        assert "stale0" not in host.link_names()
        assert set(second.addresses(network.id)) == {container.id}
        with host.serve(container, 80) as server:
            assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
        with pytest.raises(Internal):
            await second.join(join_request(network, publish=publish))
        other = await host.start(second, network)
        assert other.address not in (container.address, lost.address) or (
            other.address == lost.address
        )
        links = os.listdir(os.path.join(host.exec_root, "netns"))
        assert sorted(links) == sorted(one.connection.sandbox_id[:12] for one in (container, other))
        await host.stop(second, container)
        assert (await host.start(second, network, publish=publish)).connection.ports

    on_host(body)


def test_a_lost_interface_is_put_back(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        first, network = await _fresh(host)
        container = await host.start(first, network)
        first.close()
        host.run("ip", "link", "del", "docker0")
        host.run("ip", "link", "del", container.connection.endpoints["bridge"].host_interface)
        second = host.driver(ready=0, most_ready=0)
        live = LiveConnection(container.id, container.pid, container.connection)
        await second.restore([network], [live])
        with host.serve(host.outside, 7000) as server:
            assert host.reach(container, server, OUTSIDE_ADDRESS, 7000) == HOST_ADDRESS
        assert second.addresses(network.id)[container.id].address == container.address

    on_host(body)


def test_a_killed_daemon_leaves_nothing_after_restore(on_host: OnHost, tmp_path: Path) -> None:
    async def body(host: Host) -> None:
        first, network = await _fresh(host)
        record = msgspec.json.encode(network).decode()
        first.close()
        environment = {**os.environ, "PYTHONPATH": "tests"}
        choice = random.Random(7)
        for _ in range(6):
            process = subprocess.Popen(
                [sys.executable, "-c", JOIN_FOR_EVER, host.exec_root, record],
                stdout=subprocess.PIPE,
                env=environment,
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            await asyncio.sleep(choice.uniform(0.0, 0.15))
            process.kill()
            process.wait()
            process.stdout.close()
            driver = host.driver(ready=0, most_ready=0)
            await driver.restore([network], [])
            await _until(lambda: host.link_names() == {"lo", "eth9", "docker0"} | _tunnels(host))
            rules = host.run("nft", "list", "ruleset")[1]
            assert "tcp ." not in rules
            assert "udp ." not in rules
            container = await host.start(
                driver, network, publish={"80/tcp": [PortBinding("", "8080")]}
            )
            with host.serve(container, 80) as server:
                assert host.reach(host.outside, server, HOST_ADDRESS, 8080) == OUTSIDE_ADDRESS
            await host.stop(driver, container)
            driver.close()
            host.drivers.remove(driver)

    on_host(body)
