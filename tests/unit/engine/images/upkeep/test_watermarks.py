"""When unused images go, which, and when it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from support.fake_archiver import FakeArchiver
from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from support.image_archives import docker_archive, tar
from wharfie.drivers.content import LocalContentStore
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images, ImageUse
from wharfie.engine.images.upkeep import Watermarks
from wharfie.model.ids import ImageId

NAMES = ("old", "middle", "young")


class Disk:
    """Full by a share for each image; `images` are counted."""

    def __init__(self, images: Images, each: float) -> None:
        self.images = images
        self.each = each

    async def used(self) -> float:
        return self.images.count * self.each


class Bench:
    def __init__(self, root: Path) -> None:
        self.uses: dict[ImageId, list[ImageUse]] = {}
        self.events = EventBus()
        self.store = FakeStore()
        self.images = Images(
            self.store,
            LocalContentStore(str(root)),
            FakeSnapshotter(),
            FakeArchiver(),
            self.events,
        )

    async def fill(self) -> None:
        await self.images.open(lambda: self.uses)
        for number, name in enumerate(NAMES):
            archive = docker_archive([tar({name: b"x" * 1000})], [f"{name}:1"])

            async def source(data: bytes = archive) -> AsyncIterator[bytes]:
                yield data

            async for _ in self.images.load(source(), quiet=True):
                pass
            self.touch(name, f"2026-01-0{number + 1}T00:00:00Z")

    def touch(self, name: str, moment: str) -> None:
        """Have an image used at a moment."""
        catalog = self.images._catalog
        image = self.images.get(f"{name}:1")
        catalog.put(structs.replace(image, used_at=moment, tagged_at="2025-01-01T00:00:00Z"))

    def hold(self, name: str) -> None:
        self.uses[self.images.get(f"{name}:1").id] = [ImageUse("c" * 64, False)]

    async def look(self, each: float, high: int = 85, low: int = 70) -> int:
        collector = self.images.collector(Watermarks(high, low), Disk(self.images, each))
        return await collector.look()

    def names(self) -> list[str]:
        tags = [tag for image in self.images._catalog for tag in image.tags]
        return [name for name in NAMES if any(name in tag for tag in tags)]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    await bench.fill()
    return bench


async def test_nothing_goes_below_the_high_watermark(bench: Bench) -> None:
    assert await bench.look(each=28) == 0
    assert bench.names() == list(NAMES)


async def test_the_longest_unused_goes_until_the_low_watermark(bench: Bench) -> None:
    assert await bench.look(each=30) == 1
    assert bench.names() == ["middle", "young"]
    assert await bench.look(each=43, low=44) == 1
    assert bench.names() == ["young"]
    events = [e for e in bench.events._ring if e.action == "gc"]
    assert [e.actor.attributes["before"] for e in events] == ["90%", "86%"]
    assert events[0].actor.attributes["images"] == "1"


async def test_an_image_with_a_container_stays_however_full_it_is(bench: Bench) -> None:
    bench.hold("old")
    assert await bench.look(each=33, low=1) == 2
    assert bench.names() == ["old"]
    assert await bench.look(each=99, low=1) == 0
    assert bench.names() == ["old"]


async def test_an_image_without_a_name_goes_before_older_ones(bench: Bench) -> None:
    young = bench.images.get("young:1")
    await bench.images.tag("old:1", repository="young", tag="1")
    assert await bench.look(each=30) == 1
    assert bench.images._catalog.by_id(young.id) is None
    assert len(bench.images.get("old:1").tags) == 2


async def test_an_image_used_since_is_not_the_first_to_go(bench: Bench) -> None:
    bench.images.note_use(bench.images.get("old:1"))
    assert await bench.look(each=20) == 0
    assert await bench.look(each=30) == 1
    assert bench.names() == ["old", "young"]
    stored = {image.id: image.used_at for image in bench.store.read(lambda tx: tx.images.all())}
    assert stored[bench.images.get("old:1").id] > "2026-01-03"


async def test_an_image_being_used_right_now_is_left(bench: Bench) -> None:
    collector = bench.images.collector(Watermarks(85, 1), Disk(bench.images, 33))
    used = collector._disk.used

    async def used_meanwhile() -> float:
        bench.images.note_use(bench.images.get("old:1"))
        return await used()

    collector._disk.used = used_meanwhile  # type: ignore[method-assign]
    await collector.look()
    assert bench.names() == ["old"]
