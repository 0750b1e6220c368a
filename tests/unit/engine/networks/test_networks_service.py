from __future__ import annotations

import pytest

from support.fake_networks import FakeNetworkDriver
from support.fake_store import FakeStore
from wharfie.engine.events import EventBus
from wharfie.engine.networks import DefaultBridge, NetworkCreate, Networks
from wharfie.model.errors import (
    Conflict,
    Forbidden,
    InvalidArgument,
    NoSuchNetwork,
    NotFound,
    NotSupported,
    Unavailable,
)
from wharfie.model.filters import LabelMatch, NetworkFilters, PruneFilters
from wharfie.model.ids import ContainerId, generate_id
from wharfie.model.network import (
    IPAM,
    Connection,
    EndpointSettings,
    IPAMConfig,
    JoinRequest,
    Network,
)


class Bench:
    """The service on fakes."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.driver = FakeNetworkDriver()
        self.events = EventBus()
        self.networks = self.restarted()

    def restarted(self, **bridge: object) -> Networks:
        wish = DefaultBridge(**bridge)  # type: ignore[arg-type]
        return Networks(self.store, self.driver, self.events, default_bridge=wish)

    async def make(self, name: str, **more: object) -> Network:
        return await self.networks.create(NetworkCreate(name=name, **more))  # type: ignore[arg-type]

    async def join(self, *networks: Network, name: str = "web") -> tuple[ContainerId, Connection]:
        container_id = ContainerId(generate_id())
        connection = await self.networks.join(
            JoinRequest(
                container_id=container_id,
                container_name=name,
                networks=[(network, EndpointSettings()) for network in networks],
            )
        )
        return container_id, connection

    def told(self) -> list[tuple[str, dict[str, str]]]:
        return [(event.action, event.actor.attributes) for event in self.events._ring]


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.networks.open({})
    return made


def _names(networks: Networks, **filters: object) -> list[str]:
    return [one.name for one in networks.select(NetworkFilters(**filters))]  # type: ignore[arg-type]


async def test_the_predefined_networks_are_made_once_and_keep_their_ids(bench: Bench) -> None:
    first = {name: bench.networks.get(name).id for name in ("bridge", "host", "none")}
    again = bench.restarted()
    await again.open({})
    assert {name: again.get(name).id for name in first} == first
    assert sorted(_names(again)) == ["bridge", "host", "none"]
    assert again.get("none").driver == "null"
    bridge = again.get("bridge")
    assert bridge.options["com.docker.network.bridge.name"] == "docker0"
    assert bench.driver.restored == ([bridge], [])


async def test_a_new_address_of_the_default_bridge_is_taken_at_the_next_start(
    bench: Bench,
) -> None:
    before = bench.networks.get("bridge")
    again = bench.restarted(bip="10.1.0.1/24")
    await again.open({})
    after = again.get("bridge")
    assert after.id == before.id
    assert after.ipam.config == [IPAMConfig(subnet="10.1.0.0/24", gateway="10.1.0.1")]


async def test_a_default_bridge_in_use_stays_as_it_is(bench: Bench) -> None:
    bridge = bench.networks.get("bridge")
    container_id, connection = await bench.join(bridge)
    again = bench.restarted(bip="10.1.0.1/24")
    await again.open({container_id: (42, connection)})
    assert again.get("bridge") == bridge


@pytest.mark.parametrize(
    "wish",
    [
        {"bip": "10.1.0.0/24"},
        {"bip": "x"},
        {"bip": "10.1.0.1/32"},
        {"bip": "10.1.0.1/24", "fixed_cidr": "10.2.0.0/24"},
        {"bip": "10.1.0.1/24", "gateway": "10.2.0.1"},
        {"fixed_cidr": "10.2.0.0/24"},
    ],
)
async def test_a_malformed_default_bridge_stops_the_start(wish: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        await Bench().restarted(**wish).open({})


async def test_no_default_bridge_is_made_when_none_is_wished(bench: Bench) -> None:
    again = bench.restarted(bridge="none")
    await again.open({})
    assert sorted(_names(again)) == ["host", "none"]


async def test_networks_are_found_by_id_name_and_prefix(bench: Bench) -> None:
    made = await bench.make("lab")
    clash = await bench.make(made.id[:12])
    assert bench.networks.get(made.id) == made
    assert bench.networks.get("lab") == made
    assert bench.networks.get(made.id[:5]) == made
    assert bench.networks.get(made.id[:12]) == clash
    for ref in ("", "la", "f" * 63 + "x"):
        with pytest.raises(NoSuchNetwork):
            bench.networks.get(ref)


async def test_an_ambiguous_prefix_is_refused(bench: Bench) -> None:
    for _ in range(40):
        await bench.make(f"n{len(_names(bench.networks))}")
    first_digits = [network.id[0] for network in bench.networks.select(NetworkFilters())]
    twice = next(digit for digit in first_digits if first_digits.count(digit) > 1)
    with pytest.raises(InvalidArgument, match="is ambiguous"):
        bench.networks.get(twice)


async def test_a_network_is_recorded_and_then_told(bench: Bench) -> None:
    made = await bench.make("lab", labels={"a": "b"}, options={"x": "y"}, internal=True)
    assert bench.store.read(lambda tx: tx.networks.all())[-1] == made
    assert (made.labels, made.options, made.internal) == ({"a": "b"}, {"x": "y"}, True)
    assert bench.told() == [("create", {"name": "lab", "type": "bridge"})]
    await bench.networks.remove("lab")
    assert bench.told()[-1] == ("destroy", {"name": "lab", "type": "bridge"})
    assert made.id not in bench.driver.networks
    with pytest.raises(NoSuchNetwork):
        await bench.networks.remove("lab")


async def test_a_name_is_used_once(bench: Bench) -> None:
    await bench.make("lab")
    with pytest.raises(Conflict, match="network with name lab already exists"):
        await bench.make("lab")


async def test_a_failed_commit_takes_the_network_away_again(bench: Bench) -> None:
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.make("lab")
    assert len(bench.driver.networks) == 1
    assert bench.told() == []
    made = await bench.make("lab")
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.networks.remove("lab")
    assert bench.networks.get("lab") == made
    assert made.id in bench.driver.networks


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidArgument),
        ({"name": "bridge"}, Forbidden),
        ({"name": "default"}, Forbidden),
        ({"name": "x", "driver": "host"}, Forbidden),
        ({"name": "x", "driver": "overlay"}, NotSupported),
        ({"name": "x", "driver": "weird"}, NotFound),
        ({"name": "x", "scope": "swarm"}, Forbidden),
        ({"name": "x", "ingress": True}, Forbidden),
        ({"name": "x", "scope": "global"}, NotSupported),
        ({"name": "x", "enable_ipv4": False}, InvalidArgument),
        ({"name": "x", "ipam": IPAM(driver="weird")}, NotFound),
    ],
)
async def test_what_no_network_can_be_is_refused(
    bench: Bench, fields: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await bench.networks.create(NetworkCreate(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "faults"),
    [
        (
            IPAMConfig(subnet="10.0.0.1/24"),
            ["invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24"],
        ),
        (IPAMConfig(subnet="ten"), ["invalid subnet ten: invalid CIDR block notation"]),
        (
            IPAMConfig(subnet="10.0.0.0/24", gateway="10.1.0.1", ip_range="10.0.0.0/16"),
            [
                "invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet "
                "10.0.0.0/24",
                "invalid gateway 10.1.0.1: parent subnet 10.0.0.0/24 doesn't contain this address",
            ],
        ),
        (
            IPAMConfig(subnet="10.0.0.0/24", gateway="fd00::1", aux_addresses={"a": "b"}),
            [
                "invalid gateway fd00::1: parent subnet is an IPv4 block",
                "invalid auxiliary address b: invalid address",
            ],
        ),
        (
            IPAMConfig(gateway="10.0.0.1"),
            ["invalid subnet : invalid CIDR block notation"],
        ),
    ],
)
async def test_all_faults_of_addresses_are_told_at_once(
    bench: Bench, config: IPAMConfig, faults: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await bench.make("lab", ipam=IPAM(config=[config]))
    assert str(refused.value) == "\n".join(["invalid network config:", *faults])


async def test_predefined_and_used_networks_stay(bench: Bench) -> None:
    for name in ("bridge", "host", "none"):
        with pytest.raises(Forbidden, match=f"{name} is a pre-defined network and cannot"):
            await bench.networks.remove(name)
    lab = await bench.make("lab")
    container_id, connection = await bench.join(lab)
    endpoint = connection.endpoints["lab"]
    with pytest.raises(Forbidden) as refused:
        await bench.networks.remove("lab")
    assert str(refused.value) == (
        "error while removing network: network lab has active endpoints "
        f'(name:"web" id:"{endpoint.id[:12]}")'
    )
    await bench.networks.leave(container_id, connection)
    await bench.networks.remove("lab")


async def test_a_network_removed_meanwhile_is_not_joined(bench: Bench) -> None:
    lab = await bench.make("lab")
    await bench.networks.remove("lab")
    with pytest.raises(NoSuchNetwork):
        await bench.join(lab)


async def test_connections_are_told_once_begun_and_once_ended(bench: Bench) -> None:
    lab = await bench.make("lab")
    container_id, connection = await bench.join(lab)
    await bench.networks.started(container_id, 42, connection)
    await bench.networks.leave(container_id, connection)
    for _ in range(2):
        bench.networks.announce_left(container_id, connection)
    attributes = {"container": container_id, "name": "lab", "type": "bridge"}
    assert bench.told()[1:] == [("connect", attributes), ("disconnect", attributes)]
    never, unseen = await bench.join(lab)
    await bench.networks.leave(never, unseen)
    bench.networks.announce_left(never, unseen)
    assert len(bench.told()) == 3


async def test_interfaces_come_by_gateway_priority(bench: Bench) -> None:
    one, two = await bench.make("one"), await bench.make("two")
    connection = await bench.networks.join(
        JoinRequest(
            container_id=ContainerId(generate_id()),
            container_name="c",
            networks=[(one, EndpointSettings()), (two, EndpointSettings(gw_priority=1))],
        )
    )
    assert [(name, e.interface) for name, e in connection.endpoints.items()] == [
        ("two", "eth0"),
        ("one", "eth1"),
    ]


async def test_filters_choose(bench: Bench) -> None:
    lab = await bench.make("lab-one", labels={"a": "b"})
    await bench.make("lab-two")
    await bench.join(lab)
    assert _names(bench.networks, names=["lab"]) == ["lab-one", "lab-two"]
    assert _names(bench.networks, ids=[lab.id[:6]]) == ["lab-one"]
    assert _names(bench.networks, drivers=["null"]) == ["none"]
    assert _names(bench.networks, types=["custom"]) == ["lab-one", "lab-two"]
    assert _names(bench.networks, types=["builtin"], names=["b"]) == ["bridge"]
    assert _names(bench.networks, labels=[LabelMatch("a", "b")]) == ["lab-one"]
    assert _names(bench.networks, dangling=True) == ["lab-two"]
    assert _names(bench.networks, scopes=["swarm"]) == []
    with pytest.raises(InvalidArgument):
        bench.networks.select(NetworkFilters(types=["odd"]))


async def test_prune_takes_what_nobody_uses(bench: Bench) -> None:
    used = await bench.make("used")
    await bench.make("kept", labels={"keep": ""})
    await bench.make("idle")
    await bench.join(used)
    assert await bench.networks.prune(PruneFilters(until=1)) == []
    wish = PruneFilters(not_labels=[LabelMatch("keep")])
    assert await bench.networks.prune(wish) == ["idle"]
    assert await bench.networks.prune(PruneFilters()) == ["kept"]
    assert bench.told()[-1] == ("prune", {"reclaimed": "0"})
    assert sorted(_names(bench.networks)) == ["bridge", "host", "none", "used"]


async def test_running_containers_connect_and_disconnect(bench: Bench) -> None:
    lab, other = await bench.make("lab"), await bench.make("other")
    container_id, connection = await bench.join(lab)
    settings = EndpointSettings()
    endpoint = await bench.networks.connect(
        "other", container_id=container_id, pid=42, connection=connection, settings=settings
    )
    assert bench.networks.endpoints(other) == {container_id: endpoint}
    with pytest.raises(Forbidden, match="endpoint with name web already exists in network lab"):
        await bench.networks.connect(
            "lab", container_id=container_id, pid=42, connection=connection, settings=settings
        )
    with pytest.raises(Forbidden):
        await bench.networks.connect(
            "host", container_id=container_id, pid=42, connection=connection, settings=settings
        )
    live = bench.driver.live[container_id]
    gone = await bench.networks.disconnect(
        "other", container_id=container_id, pid=42, connection=live
    )
    assert gone == other
    with pytest.raises(Forbidden, match="is not connected to network other"):
        await bench.networks.disconnect(
            "other", container_id=container_id, pid=42, connection=bench.driver.live[container_id]
        )
