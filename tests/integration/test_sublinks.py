"""macvlan on a real kernel, and ipvlan where there is one."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from support.network_host import OUTSIDE_ADDRESS, Host, bridge_network, run_on_host
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.network import (
    IPAM,
    EndpointSettings,
    IPAMConfig,
    LiveConnection,
    Network,
    PortBinding,
)

pytestmark = pytest.mark.root

EMPTY = EndpointSettings()
OnHost = Callable[[Callable[[Host], Awaitable[None]]], None]


@pytest.fixture
def on_host(tmp_path: Path) -> OnHost:
    return lambda body: run_on_host(str(tmp_path), body)


def has_driver(kind: str) -> bool:
    script = f"ip link add v type veth && ip link add x link v type {kind}"
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True)
    return done.returncode == 0


def sublink(name: str, driver: str = "macvlan", **options: str) -> Network:
    config = IPAMConfig(
        subnet="198.51.100.0/24", gateway=OUTSIDE_ADDRESS, ip_range="198.51.100.128/25"
    )
    return structs.replace(
        bridge_network(name, options=options), driver=driver, ipam=IPAM(config=[config])
    )


@pytest.mark.skipif(not has_driver("macvlan"), reason="this kernel has no macvlan")
def test_b164_macvlan_puts_containers_on_the_hosts_network(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(sublink("lan", parent="eth9"))
        one = await host.start(driver, network, publish={"80/tcp": [PortBinding("", "8080")]})
        two = await host.start(driver, network)
        assert one.address == "198.51.100.128"
        assert one.connection.ports == []
        assert one.connection.endpoints["lan"].gateway == OUTSIDE_ADDRESS
        with host.serve(one, 80) as server:
            assert host.reach(host.outside, server, one.address, 80) == OUTSIDE_ADDRESS
            assert host.reach(two, server, one.address, 80) == two.address
        with host.serve(host.outside, 7000) as server:
            assert host.reach(one, server, OUTSIDE_ADDRESS, 7000) == one.address
        # Beside a bridge, which publishes.
        bridge = await driver.create(bridge_network())
        both = await host.start(
            driver, bridge, network, publish={"80/tcp": [PortBinding("", "8081")]}
        )
        with host.serve(both, 80) as server:
            assert host.reach(None, server, "127.0.0.1", 8081)
        assert set(both.connection.endpoints) == {"bridge", "lan"}
        endpoint = both.connection.endpoints["lan"]
        await driver.disconnect(both.id, both.pid, endpoint)
        assert endpoint.interface not in host.run("ip", "-o", "link", inside=both)[1]
        again = await driver.connect(
            both.id, both.pid, network, structs.replace(EMPTY, mac_address="02:00:00:00:00:07")
        )
        assert (
            "02:00:00:00:00:07" in host.run("ip", "link", "show", again.interface, inside=both)[1]
        )
        driver.close()
        later = host.driver()
        live = [LiveConnection(c.id, c.pid, c.connection) for c in (one, two)]
        await later.restore([network, bridge], live)
        three = await host.start(later, network)
        assert three.address not in (one.address, two.address)
        with host.serve(one, 80) as server:
            assert host.reach(three, server, one.address, 80) == three.address
        await later.delete(network)
        assert "eth9" in host.link_names()

    on_host(body)


@pytest.mark.skipif(not has_driver("macvlan"), reason="this kernel has no macvlan")
def test_b177_a_tagged_interface_is_made_and_goes(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        made = host.run("ip", "link", "add", "link", "eth9", "name", "probe", "type", "vlan",
                        "id", "7")  # fmt: skip
        if made[0]:
            pytest.skip("this kernel has no VLANs")
        host.run("ip", "link", "del", "probe")
        driver = host.driver()
        await driver.restore([], [])
        tagged = await driver.create(sublink("tagged", parent="eth9.10"))
        shown = host.run("ip", "-d", "link", "show", "eth9.10")[1]
        assert "vlan protocol 802.1Q id 10" in shown
        await driver.delete(tagged)
        assert "eth9.10" not in host.link_names()
        # One that was there belongs to somebody else.
        command = ("ip", "link", "add", "link", "eth9", "name", "eth9.11", "type", "vlan")
        assert host.run(*command, "id", "11")[0] == 0
        kept = await driver.create(sublink("kept", parent="eth9.11"))
        await driver.delete(kept)
        assert "eth9.11" in host.link_names()

    on_host(body)


@pytest.mark.skipif(not has_driver("macvlan"), reason="this kernel has no macvlan")
def test_b177_without_a_parent_it_leads_nowhere(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        before = host.link_names()
        network = await driver.create(structs.replace(sublink("alone"), internal=True))
        one, two = await host.start(driver, network), await host.start(driver, network)
        with host.serve(one, 80) as server:
            assert host.reach(two, server, one.address, 80) == two.address
        for container in (one, two):
            await host.stop(driver, container)
        await driver.delete(network)
        assert {name for name in host.link_names() if not name.startswith("wve")} == {
            name for name in before if not name.startswith("wve")
        }

    on_host(body)


def test_what_no_such_network_can_be(on_host: OnHost) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        with pytest.raises(InvalidArgument):
            await driver.create(sublink("x", parent="nothere"))
        with pytest.raises(InvalidArgument):
            await driver.create(sublink("x", parent="eth9", macvlan_mode="odd"))
        if not has_driver("ipvlan"):
            network = await driver.create(sublink("y", "ipvlan", parent="eth9"))
            with pytest.raises(NotSupported, match="ipvlan"):
                await host.start(driver, network)

    on_host(body)


@pytest.mark.skipif(not has_driver("ipvlan"), reason="this kernel has no ipvlan")
@pytest.mark.parametrize("mode", ["l2", "l3"])
def test_b164_ipvlan(on_host: OnHost, mode: str) -> None:
    async def body(host: Host) -> None:
        driver = host.driver()
        await driver.restore([], [])
        network = await driver.create(sublink("ip", "ipvlan", parent="eth9", ipvlan_mode=mode))
        one, two = await host.start(driver, network), await host.start(driver, network)
        with host.serve(one, 80) as server:
            assert host.reach(two, server, one.address, 80) == two.address
            if mode == "l2":
                assert host.reach(host.outside, server, one.address, 80) == OUTSIDE_ADDRESS
        route = host.run("ip", "route", inside=one)[1]
        assert ("default dev eth0" in route) is (mode == "l3")

    on_host(body)
