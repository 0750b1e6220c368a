from __future__ import annotations

import asyncio

import pytest

from support.fake_store import FakeStore
from support.fake_volume import FakeVolumeDriver
from wharfie.engine.events import EventBus
from wharfie.engine.volumes import Volumes
from wharfie.model.errors import (
    Conflict,
    InvalidArgument,
    NoSuchVolume,
    NotFound,
    Unavailable,
)
from wharfie.model.filters import LabelMatch, PruneFilters, VolumeFilters
from wharfie.model.volume import Volume


class Bench:
    """The service on fakes; `uses` is who holds which volume."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.driver = FakeVolumeDriver()
        self.events = EventBus()
        self.uses: dict[str, list[str]] = {}
        self.volumes = Volumes(self.store, self.driver, self.events)

    async def make(self, name: str = "", **labels: str) -> Volume:
        return await self.volumes.create(name, driver="", options={}, labels=labels)

    def actions(self) -> list[tuple[str, str]]:
        return [(event.action, event.actor.id) for event in self.events._ring]


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.volumes.open(lambda name: bench.uses.get(name, []))
    return bench


async def test_a_new_volume_is_recorded_then_announced(bench: Bench) -> None:
    volume = await bench.make("data", a="1")
    assert bench.volumes.get("data") == volume
    assert volume.mountpoint == "/volumes/data/_data"
    assert list(bench.store.tables.volumes.all()) == [volume]
    assert bench.actions() == [("create", "data")]


async def test_creating_an_existing_volume_returns_it_unchanged(bench: Bench) -> None:
    first = await bench.make("data", a="1")
    assert await bench.make("data", a="2") == first
    assert bench.actions() == [("create", "data")]


async def test_concurrent_creates_make_one_volume(bench: Bench) -> None:
    made = await asyncio.gather(*(bench.make("data") for _ in range(5)))
    assert len({volume.created for volume in made}) == 1
    assert len(bench.actions()) == 1
    assert not bench.volumes._locks


async def test_an_anonymous_volume_has_a_made_up_name_and_a_label(bench: Bench) -> None:
    volume = await bench.make()
    assert len(volume.name) == 64
    assert volume.anonymous
    assert volume.labels == {"com.docker.volume.anonymous": ""}


@pytest.mark.parametrize("name", ["a", "a/b", "../x", ".x", "a b", "x" * 256, "né", "ab\n"])
async def test_a_bad_name_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await bench.make(name)


async def test_unknown_drivers_are_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.volumes.create("data", driver="nfs", options={}, labels={})


async def test_what_cannot_be_recorded_does_not_exist(bench: Bench) -> None:
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.make("data")
    with pytest.raises(NoSuchVolume):
        bench.volumes.get("data")
    assert bench.actions() == []


async def test_names_are_exact(bench: Bench) -> None:
    await bench.make("data")
    with pytest.raises(NoSuchVolume, match="get dat: no such volume"):
        bench.volumes.get("dat")


async def test_a_used_volume_is_not_removed(bench: Bench) -> None:
    await bench.make("data")
    bench.uses["data"] = ["c1", "c2"]
    with pytest.raises(Conflict) as caught:
        await bench.volumes.remove("data", force=True)
    assert str(caught.value) == "remove data: volume is in use - [c1, c2]"
    assert bench.volumes.get("data")


async def test_removing_deletes_record_and_data(bench: Bench) -> None:
    await bench.make("data")
    await bench.volumes.remove("data")
    assert not bench.driver.sizes
    assert not bench.store.tables.volumes.all()
    assert bench.actions() == [("create", "data"), ("destroy", "data")]
    with pytest.raises(NoSuchVolume):
        await bench.volumes.remove("data")
    await bench.volumes.remove("data", force=True)


async def test_a_removal_that_cannot_be_recorded_removes_nothing(bench: Bench) -> None:
    await bench.make("data")
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.volumes.remove("data")
    assert bench.volumes.get("data")
    assert "data" in bench.driver.sizes


async def test_select(bench: Bench) -> None:
    await bench.make("web-data", tier="web")
    await bench.make("db-data", tier="db")
    bench.uses["db-data"] = ["c"]

    def names(filters: VolumeFilters) -> list[str]:
        return [volume.name for volume in bench.volumes.select(filters)]

    assert names(VolumeFilters()) == ["db-data", "web-data"]
    assert names(VolumeFilters(names=["web"])) == ["web-data"]
    assert names(VolumeFilters(dangling=True)) == ["web-data"]
    assert names(VolumeFilters(dangling=False)) == ["db-data"]
    assert names(VolumeFilters(labels=[LabelMatch("tier", "db")])) == ["db-data"]
    assert names(VolumeFilters(drivers=["nfs"])) == []


async def test_prune_takes_unused_anonymous_volumes(bench: Bench) -> None:
    named, free, used = await bench.make("named"), await bench.make(), await bench.make()
    bench.driver.sizes[free.name] = 42
    bench.uses[used.name] = ["c"]
    assert await bench.volumes.prune(PruneFilters()) == ([free.name], 42)
    assert {v.name for v in bench.volumes.select(VolumeFilters())} == {named.name, used.name}
    assert await bench.volumes.prune(PruneFilters(all=True)) == (["named"], 0)
    assert (bench.actions())[-1] == ("prune", "")


async def test_prune_filters(bench: Bench) -> None:
    await bench.make("keep", keep="yes")
    await bench.make("drop", x="1")
    filters = PruneFilters(all=True, not_labels=[LabelMatch("keep")])
    assert (await bench.volumes.prune(filters))[0] == ["drop"]
    with pytest.raises(InvalidArgument):
        await bench.volumes.prune(PruneFilters(until=1))


async def test_records_come_back_after_a_restart(bench: Bench) -> None:
    volume = await bench.make("data")
    bench.driver.sizes["orphan"] = 1
    again = Volumes(bench.store, bench.driver, bench.events)
    await again.open(lambda _: [])
    assert again.get("data") == volume
    assert "orphan" not in bench.driver.sizes
