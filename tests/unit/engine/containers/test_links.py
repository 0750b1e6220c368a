"""Legacy links: their grammar, their variables, their lines in /etc/hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.links import link_variables, parse_link
from wharfie.model.container import Config
from wharfie.model.errors import Internal, InvalidArgument


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("db", ("db", "db")), ("db:store", ("db", "store")), ("/db:/web/store", ("db", "store"))],
)
def test_b176_a_link_names_a_container_and_an_alias(text: str, expected: tuple[str, str]) -> None:
    assert parse_link(text) == expected


@pytest.mark.parametrize("text", ["", "a:b:c", ":x", "x:"])
def test_b176_a_bad_link_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="bad format for links"):
        parse_link(text)


def test_b176_variables_of_a_link() -> None:
    config = Config(exposed_ports={"6379/tcp": {}}, env=["PASSWORD=x=y", "HOME=/", "PATH=/bin"])
    assert link_variables("/web/my-db", "172.17.0.2", config) == [
        "MY_DB_PORT=tcp://172.17.0.2:6379",
        "MY_DB_PORT_6379_TCP=tcp://172.17.0.2:6379",
        "MY_DB_PORT_6379_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_6379_TCP_PORT=6379",
        "MY_DB_PORT_6379_TCP_PROTO=tcp",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_PASSWORD=x=y",
    ]


def test_b176_neighbouring_ports_are_a_range_too() -> None:
    config = Config(exposed_ports={"7001/tcp": {}, "7000/tcp": {}, "9/udp": {}})
    found = link_variables("/web/db", "10.0.0.1", config)
    assert found[0] == "DB_PORT=udp://10.0.0.1:9"
    assert "DB_PORT_7000_TCP_START=tcp://10.0.0.1:7000" in found
    assert "DB_PORT_7000_TCP_PORT_END=7001" in found


async def test_b038_a_link_to_nobody_or_to_the_hosts_network_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidArgument, match="could not get container for nobody"):
        await bench.create("web", links=["nobody:x"])
    await bench.create("plain", network_mode="host")
    with pytest.raises(InvalidArgument, match="host type networking can't be used with links"):
        await bench.create("web", links=["plain:x"])


async def test_b071_b176_a_linked_container_must_run_and_is_known_by_its_alias(
    bench: Bench,
) -> None:
    db = await bench.create("db")
    web = await bench.create("web", links=["db:store"])
    with pytest.raises(Internal, match="Cannot link to a non running container: /db AS /web/store"):
        await bench.verbs.start(web)
    await bench.verbs.start(db)
    await bench.verbs.start(web)
    plan = bench.runtime.plans[-1]
    assert "STORE_NAME=/web/store" in plan.environment
    record = bench.verbs.get(web)
    hostname = bench.verbs.get(db).config.hostname
    assert f"172.17.0.2\tstore {hostname} db\n" in Path(record.hosts_path).read_text()
    assert bench.verbs.link_environment(record)[-1] == "STORE_NAME=/web/store"


async def test_a_link_can_be_removed(bench: Bench) -> None:
    await bench.create("db")
    web = await bench.create("web", links=["db:store"])
    await bench.verbs.remove("/web/store", link=True)
    assert bench.verbs.get(web).links == {}
    assert bench.verbs.get("db").name == "db"
