"""The image service on fakes, with a content store in a directory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_archiver import FakeArchiver
from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from support.image_archives import config, docker_archive, sha256, tar
from wharfie.drivers.content import LocalContentStore
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images, ImageUse
from wharfie.model.errors import (
    Conflict,
    Forbidden,
    InvalidArgument,
    NoSuchImage,
    Unavailable,
)
from wharfie.model.filters import PruneFilters
from wharfie.model.ids import ChainId, Digest, ImageId, SnapshotKey

BASE = tar({"a": b"1" * 100})
UPPER = tar({"b": b"2" * 50})


class Bench:
    def __init__(self, root: Path) -> None:
        self.store = FakeStore()
        self.content = LocalContentStore(str(root))
        self.snapshotter = FakeSnapshotter()
        self.archiver = FakeArchiver()
        self.events = EventBus()
        self.uses: dict[ImageId, list[ImageUse]] = {}
        self.images = self.service()

    def service(self) -> Images:
        return Images(self.store, self.content, self.snapshotter, self.archiver, self.events)

    async def load(self, archive: bytes, *, quiet: bool = True) -> list[dict[str, object]]:
        async def source() -> AsyncIterator[bytes]:
            for start in range(0, len(archive), 1000):
                yield archive[start : start + 1000]

        return [message async for message in self.images.load(source(), quiet=quiet)]

    def actions(self) -> list[tuple[str, str]]:
        return [(e.action, e.actor.attributes.get("name", "")) for e in self.events._ring]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    await bench.images.open(lambda: bench.uses)
    return bench


async def test_progress_is_dockers(bench: Bench) -> None:
    messages = await bench.load(docker_archive([BASE], ["app:1", "app:2"]), quiet=False)
    size = len(BASE)
    assert messages == [
        {
            "status": "Loading layer",
            "progressDetail": {"current": current, "total": size},
            "id": sha256(BASE)[:12],
        }
        for current in (0, size)
    ] + [
        {"stream": "Loaded image: app:1\n"},
        {"stream": "Loaded image: app:2\n"},
    ]


async def test_layers_that_are_there_are_not_unpacked_again(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    await bench.load(docker_archive([BASE, UPPER], ["b:1"]))
    assert len(bench.archiver.unpacked) == 2
    assert bench.images.get("b:1").size == 150
    assert bench.images.shared_size(bench.images.get("b:1")) == 100
    assert bench.images.layers_size() == 150


async def test_a_moved_tag_is_told(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    old = bench.images.get("a:1")
    messages = await bench.load(docker_archive([UPPER], ["a:1"]))
    assert messages[0] == {
        "stream": f"The image a:1 already exists, renaming the old one with ID {old.id} "
        "to empty string\n"
    }
    assert bench.images.get(old.id).tags == []
    assert bench.images.get("a:1").id != old.id


async def test_events_follow_the_commit(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    image = bench.images.get("a:1")
    await bench.images.tag("a:1", repository="me/b", tag="")
    await bench.images.remove("a:1")
    await bench.images.remove("me/b")
    assert bench.actions() == [
        ("load", image.id),
        ("tag", "me/b:latest"),
        ("untag", image.id),
        ("untag", image.id),
        ("delete", image.id),
    ]
    assert bench.events._ring[0].actor.attributes["made"] == "here"


async def test_what_cannot_be_recorded_leaves_nothing(bench: Bench) -> None:
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.load(docker_archive([BASE]))
    assert bench.images.count == 0
    assert not bench.content.digests()
    assert not bench.snapshotter.rows
    assert not bench.snapshotter.filling
    assert bench.actions() == []


async def test_a_removal_reports_and_deletes(bench: Bench) -> None:
    await bench.load(docker_archive([BASE, UPPER], ["a:1"]))
    image = bench.images.get("a:1")
    deletions = await bench.images.remove("a:1")
    assert [(d.untagged, d.deleted) for d in deletions] == [
        ("a:1", ""),
        ("", image.id),
        ("", image.chain_ids[1]),
        ("", image.chain_ids[0]),
    ]
    assert not bench.content.digests()
    assert not bench.snapshotter.rows
    with pytest.raises(NoSuchImage):
        await bench.images.remove("a:1")


async def test_a_removal_that_cannot_be_recorded_removes_nothing(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    bench.store.fail_once()
    with pytest.raises(Unavailable):
        await bench.images.remove("a:1")
    assert bench.images.get("a:1")
    assert bench.snapshotter.rows


async def test_layers_under_a_container_stay(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    image = bench.images.get("a:1")
    await bench.snapshotter.prepare(SnapshotKey("c"), image.top)
    bench.uses[image.id] = [ImageUse("c" * 64, running=False)]
    with pytest.raises(Conflict):
        await bench.images.remove("a:1")
    deletions = await bench.images.remove("a:1", force=True)
    assert [d.deleted for d in deletions if d.deleted] == [image.id]
    assert bench.snapshotter.layer(image.chain_ids[0])
    # Once the container is gone, the next start collects them.
    await bench.snapshotter.remove(SnapshotKey("c"))
    await bench.service().open(dict)
    assert not bench.snapshotter.rows


async def test_the_start_collects_what_no_image_needs(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    await bench.content.put(b"orphan")
    writer = await bench.snapshotter.begin_layer()
    await writer.commit(chain_id=ChainId("sha256:orphan"), diff_id=Digest("d"), parent=None, size=0)
    again = bench.service()
    await again.open(dict)
    assert again.get("a:1") == bench.images.get("a:1")
    assert len(bench.content.digests()) == 2
    assert len(bench.snapshotter.rows) == 1


async def test_tagging(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    await bench.images.tag("a:1", repository="quay.io/x/y", tag="v1")
    await bench.images.tag("a:1", repository="b:2", tag="")
    assert bench.images.get("a:1").tags == [
        "docker.io/library/a:1",
        "docker.io/library/b:2",
        "quay.io/x/y:v1",
    ]
    assert bench.images.get("b:2").tagged_at > "2026"


@pytest.mark.parametrize(
    ("repository", "tag", "error"),
    [
        ("Foo", "", InvalidArgument),
        ("a", "b c", InvalidArgument),
        (f"a@sha256:{'0' * 64}", "", InvalidArgument),
        ("a", f"sha256:{'0' * 64}", InvalidArgument),
        ("sha256", "abc", InvalidArgument),
        ("scratch", "", Forbidden),
        ("0" * 64, "", InvalidArgument),
    ],
)
async def test_a_bad_tag_is_refused(
    bench: Bench, repository: str, tag: str, error: type[Exception]
) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    with pytest.raises(error):
        await bench.images.tag("a:1", repository=repository, tag=tag)


async def test_prune(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["kept:1"]))
    await bench.load(docker_archive([UPPER], None))
    deletions, reclaimed = await bench.images.prune(PruneFilters())
    assert reclaimed == 50
    assert len(deletions) == 2
    assert bench.images.count == 1
    bench.uses[bench.images.get("kept:1").id] = [ImageUse("c" * 64, running=False)]
    assert await bench.images.prune(PruneFilters(dangling=False)) == ([], 0)
    bench.uses.clear()
    await bench.images.tag("kept:1", repository="kept", tag="2")
    deletions, reclaimed = await bench.images.prune(PruneFilters(dangling=False))
    assert [d.untagged for d in deletions if d.untagged] == ["kept:1", "kept:2"]
    assert reclaimed == 100
    assert bench.images.count == 0
    assert bench.actions()[-1] == ("prune", "")


async def test_saving_what_is_missing_is_refused_at_the_call(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1"]))
    with pytest.raises(NoSuchImage):
        bench.images.save(["a:1", "b"])
    with pytest.raises(NoSuchImage):
        bench.images.save(["a:2"])


async def test_save_by_id_has_no_names_and_by_repository_has_all(bench: Bench) -> None:
    await bench.load(docker_archive([BASE], ["a:1", "a:2", "b:1"]))

    async def names(*refs: str) -> object:
        data = b"".join([data async for data in bench.images.save(refs)])
        start = data.index(b'[{"Config"')
        return json.loads(data[start : data.index(b"\0", start)])[0]["RepoTags"]

    assert await names(bench.images.get("a:1").id[7:19]) is None
    assert await names("a") == ["a:1", "a:2"]
    assert await names("b:1") == ["b:1"]


async def test_parents_within_an_archive_make_children(bench: Bench) -> None:
    parent = config([BASE])
    child = config([BASE, UPPER])
    entries = [
        {"Config": "p", "RepoTags": ["p:1"], "Layers": ["base"]},
        {
            "Config": "c",
            "RepoTags": ["c:1"],
            "Layers": ["base", "upper"],
            "Parent": f"sha256:{sha256(parent)}",
        },
    ]
    files = {"p": parent, "c": child, "base": BASE, "upper": UPPER}
    await bench.load(tar({**files, "manifest.json": json.dumps(entries).encode()}))
    assert bench.images.children(bench.images.get("p:1")) == [bench.images.get("c:1")]
    with pytest.raises(Conflict, match="dependent child images"):
        await bench.images.remove(bench.images.get("p:1").id, force=True)
