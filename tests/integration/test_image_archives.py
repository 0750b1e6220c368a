"""Loading and saving images on the real kernel: jail workers, overlay layers, SQLite."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zstandard

from support.image_archives import (
    config,
    docker_archive,
    layout,
    layout_image,
    member,
    named,
    sha256,
    tar,
)
from support.image_bench import ImageBench, chunks, image_bench
from wharfie.engine.images.making.default_image import build_archive
from wharfie.model.archive import Limits
from wharfie.model.errors import EngineError, InvalidArgument, NoSuchImage
from wharfie.model.ids import ChainId

pytestmark = pytest.mark.root

NOTHING = {"blobs": [], "snapshots": [], "tmp": []}
BASE = tar({"etc/motd": b"hello", "bin/tool": b"x" * 300_000})
UPPER = tar({"etc/.wh.motd": b"", "new": b"1"})
BUSYBOX = "/bin/busybox"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ImageBench]:
    async with image_bench(tmp_path / "data") as bench:
        yield bench


def tree(fd: int) -> list[str]:
    """Files below a mounted root, relative; closes the descriptor."""
    root = Path(f"/proc/self/fd/{fd}")
    try:
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    finally:
        os.close(fd)


@pytest.mark.skipif(not os.path.exists(BUSYBOX), reason="needs busybox-static")
async def test_a_busybox_image_is_loaded_and_its_programs_run(bench: ImageBench) -> None:
    messages = await bench.load(build_archive(BUSYBOX))
    assert messages == [{"stream": "Loaded image: busybox:latest\n"}]
    image = bench.images.get("busybox")
    assert image.document.config is not None
    assert image.document.config.cmd == ["sh"]
    assert image.size > 1_000_000
    assert image.top is not None
    fd = await bench.snapshotter.view(image.top)
    try:
        ran = subprocess.run(
            ["/bin/echo", "hello"],
            executable=f"/proc/self/fd/{fd}/bin/echo",
            pass_fds=[fd],
            capture_output=True,
        )
        assert ran.stdout == b"hello\n"
        assert os.stat(f"/proc/self/fd/{fd}/tmp").st_mode & 0o7777 == 0o1777
    finally:
        os.close(fd)


async def test_the_default_image_is_installed(bench: ImageBench) -> None:
    image = await bench.images.install_default_image()
    assert bench.images.get("busybox:latest") == image
    assert await bench.images.install_default_image() == bench.images.get("busybox")
    assert bench.images.count == 1


@pytest.mark.parametrize("outer", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("inner", ["plain", "gzip", "zstd"])
async def test_any_compression_outside_and_inside(
    bench: ImageBench, outer: str, inner: str
) -> None:
    pack = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}
    archive = docker_archive([BASE, UPPER], stored=[pack[inner](BASE), pack[inner](UPPER)])
    await bench.load(pack[outer](archive))
    image = bench.images.get("test")
    assert image.id == f"sha256:{sha256(config([BASE, UPPER]))}"
    assert image.top is not None
    assert tree(await bench.snapshotter.view(image.top)) == ["bin/tool", "new"]
    assert bench.leftovers()["tmp"] == []
    assert len(bench.leftovers()["blobs"]) == 3


async def test_an_image_layout_with_platforms(bench: ImageBench) -> None:
    blobs: dict[str, bytes] = {}
    entries = []
    for architecture in ("arm64", "amd64"):
        layers = [tar({"arch": architecture.encode()})]
        manifest, more = layout_image(layers, config(layers, architecture=architecture))
        blobs |= more
        platform = {"architecture": architecture, "os": "linux"}
        entries.append(named(manifest, "docker.io/library/multi:1", platform=platform))
    await bench.load(layout(entries, blobs))
    image = bench.images.get("multi:1")
    assert image.document.architecture == bench.images._catalog.host.architecture
    # Layers and configs for other machines are not kept.
    assert len(bench.leftovers()["blobs"]) == 2
    assert len(bench.leftovers()["snapshots"]) == 1


async def test_a_nested_index_and_an_attestation(bench: ImageBench) -> None:
    layers = [BASE]
    manifest, blobs = layout_image(layers, config(layers))
    attestation = {
        **named(manifest, "x"),
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    inner = json.dumps(
        {"schemaVersion": 2, "manifests": [attestation, named(manifest, "")]}
    ).encode()
    blobs[f"blobs/sha256/{sha256(inner)}"] = inner
    entry = {**named(inner, "quay.io/a/b:c")}
    entry["mediaType"] = "application/vnd.oci.image.index.v1+json"
    await bench.load(layout([entry], blobs))
    assert bench.images.get("quay.io/a/b:c").document.architecture == "amd64"


async def test_an_old_archive_with_linked_layers(bench: ImageBench) -> None:
    layers = [BASE, BASE]
    document = config(layers)
    entry = {"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}
    archive = tar(
        {
            "a/layer.tar": BASE,
            "b": member("b", tarfile.DIRTYPE),
            "b/layer.tar": member("b/layer.tar", tarfile.SYMTYPE, "../a/layer.tar"),
            "c.json": document,
            "manifest.json": json.dumps([entry]).encode(),
        }
    )
    messages = await bench.load(archive)
    assert messages == [{"stream": f"Loaded image ID: sha256:{sha256(document)}\n"}]
    assert len(bench.leftovers()["snapshots"]) == 2


async def test_what_is_saved_loads_with_the_same_digests(bench: ImageBench, tmp_path: Path) -> None:
    await bench.load(docker_archive([BASE, UPPER], ["a:1", "b:2"]))
    await bench.load(docker_archive([BASE], ["c:3"], stored=[gzip.compress(BASE)]))
    first = await bench.save("a:1", "b", "c:3")
    assert await bench.save("a:1", "b", "c:3") == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        assert {"index.json", "manifest.json", "oci-layout", "repositories"} < set(names)
        for name in names:
            if name.startswith("blobs/"):
                file = archive.extractfile(name)
                assert file is not None
                assert name == f"blobs/sha256/{sha256(file.read())}"
    async with image_bench(tmp_path / "other") as other:
        await other.load(first)
        for name in ("a:1", "b:2", "c:3"):
            assert other.images.get(name).id == bench.images.get(name).id
            assert other.images.get(name).chain_ids == bench.images.get(name).chain_ids
        assert await other.save("a:1", "b", "c:3") == first
        layout_only = _without(first, {"manifest.json", "repositories"})
    async with image_bench(tmp_path / "third") as third:
        await third.load(layout_only)
        assert third.images.get("a:1").tags == [
            "docker.io/library/a:1",
            "docker.io/library/b:2",
        ]


def _without(archive: bytes, names: set[str]) -> bytes:
    kept: dict[str, bytes | tarfile.TarInfo] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        for info in source:
            file = source.extractfile(info)
            if info.name not in names and file is not None:
                kept[info.name] = file.read()
    return tar(kept)


async def test_a_layer_without_its_blob_is_packed_again_or_refused(bench: ImageBench) -> None:
    """Only what packs to the known digest may go out under it."""
    await bench.load(docker_archive([BASE]))
    image = bench.images.get("test")
    await bench.content.delete(image.layers[0].digest)
    with pytest.raises(EngineError, match="cannot be packed as it was"):
        await bench.save("test")
    layer = bench.snapshotter.layer(image.chain_ids[0])
    assert layer is not None
    archiver = bench.images._saver._tars._archiver
    packed = b"".join(
        [data async for data in archiver.pack_layer(bench.snapshotter.layer_directory(layer))]
    )
    await bench.load(docker_archive([packed], ["again:1"]))
    again = bench.images.get("again:1")
    before = await bench.save("again:1")
    await bench.content.delete(again.layers[0].digest)
    assert await bench.save("again:1") == before


HOSTILE = {
    "empty": b"",
    "no tar": b"hello world" * 1000,
    "half a header": docker_archive([BASE])[:300],
    "no manifest": tar({"x": b"1"}),
    "half an archive": docker_archive([BASE])[:200_000],
    "half a gzip": gzip.compress(docker_archive([BASE]))[:-40],
    "gzip of garbage": gzip.compress(b"\0\1\2" * 10_000),
    "half a layer": docker_archive([BASE], stored=[BASE[:100_000]]),
    "another layer": docker_archive([BASE], stored=[UPPER]),
    "second layer bad": docker_archive([BASE, UPPER], stored=[BASE, BASE]),
    "garbage layer": docker_archive([b"garbage" * 100_000]),
    "config is no JSON": docker_archive([BASE], image_config=b"{"),
    "config for windows": docker_archive([BASE], image_config=config([BASE], os="windows")),
    "config without layers": docker_archive([BASE], image_config=config([])),
    "config nested": docker_archive([BASE], image_config=b"[" * 1_000_000),
    "diff id escapes": docker_archive(
        [BASE],
        image_config=config([], rootfs={"type": "layers", "diff_ids": ["sha256:../../x"]}),
    ),
    "bad tag": docker_archive([BASE], ["Foo Bar"]),
    "tag is a digest": docker_archive([BASE], [f"a@sha256:{'0' * 64}"]),
    "layer path escapes": tar(
        {"manifest.json": b'[{"Config":"c","RepoTags":null,"Layers":["../../../etc/passwd"]}]'}
    ),
    "member escapes": tar({"../../etc/evil": b"x", "manifest.json": b"[]"}),
    "link escapes": tar({"a": member("a", tarfile.SYMTYPE, "/etc/passwd"), "x": b""}),
    "link loop": tar(
        {
            "manifest.json": member("manifest.json", tarfile.SYMTYPE, "b"),
            "b": member("b", tarfile.SYMTYPE, "manifest.json"),
        }
    ),
    "device": tar({"a": member("a", tarfile.CHRTYPE)}),
    "blob under a false name": layout(
        [named(layout_image([BASE], config([BASE]))[0], "x:1")],
        layout_image([BASE], config([BASE]))[1] | {f"blobs/sha256/{sha256(BASE)}": UPPER},
    ),
    "blob missing": layout([named(b"{}", "x:1")], {}),
    "layout of the future": tar({"index.json": b"{}", "oci-layout": b'{"imageLayoutVersion":"9"}'}),
    "gzip bomb": gzip.compress(bytes(200_000_000)),
    "zstd bomb": zstandard.compress(bytes(2_000_000_000)),
    "layer bomb": docker_archive([b""], stored=[gzip.compress(bytes(200_000_000))]),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_archive_leaves_nothing(bench: ImageBench, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await bench.load(HOSTILE[name])
    await bench.snapshotter.settle()
    assert bench.leftovers() == NOTHING
    assert bench.images.count == 0


async def test_limits_bound_what_an_archive_may_hold(tmp_path: Path) -> None:
    async with image_bench(tmp_path / "data", limits=Limits(size=100_000)) as bench:
        with pytest.raises(InvalidArgument):
            await bench.load(docker_archive([BASE]))
        assert bench.leftovers() == NOTHING


async def test_a_bad_second_image_does_not_undo_the_first(bench: ImageBench) -> None:
    good, bad = config([BASE]), config([UPPER])
    entries = [
        {"Config": "good", "RepoTags": ["good:1"], "Layers": ["base"]},
        {"Config": "bad", "RepoTags": ["bad:1"], "Layers": ["base"]},
    ]
    archive = tar(
        {"good": good, "bad": bad, "base": BASE, "manifest.json": json.dumps(entries).encode()}
    )
    with pytest.raises(InvalidArgument):
        await bench.load(archive)
    await bench.snapshotter.settle()
    assert bench.images.get("good:1")
    assert len(bench.leftovers()["snapshots"]) == 1
    assert len(bench.leftovers()["blobs"]) == 2
    with pytest.raises(NoSuchImage):
        bench.images.get("bad:1")


async def test_a_client_that_goes_away_leaves_nothing(bench: ImageBench) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield docker_archive([BASE])[:250_000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        async for _ in bench.images.load(source(), quiet=True):
            pass
    assert bench.leftovers() == NOTHING


async def test_a_hundred_and_thirty_layers(bench: ImageBench) -> None:
    layers = [tar({f"f{number}": b"", "last": b"%d" % number}) for number in range(130)]
    await bench.load(docker_archive(layers))
    image = bench.images.get("test")
    assert len(image.chain_ids) == 130
    assert image.top is not None
    assert len(tree(await bench.snapshotter.view(image.top))) == 131


async def test_removed_images_leave_the_disk(bench: ImageBench) -> None:
    await bench.load(docker_archive([BASE, UPPER], ["a:1"]))
    await bench.load(docker_archive([BASE], ["b:1"]))
    deletions = await bench.images.remove("a:1")
    upper = [d.deleted for d in deletions if d.deleted][1:]
    assert len(upper) == 1, "the base is the other image's too"
    assert bench.snapshotter.layer(ChainId(f"sha256:{sha256(BASE)}"))
    await bench.images.remove("b:1")
    await bench.snapshotter.settle()
    assert bench.leftovers() == NOTHING


async def test_import(bench: ImageBench) -> None:
    messages = [
        message
        async for message in bench.images.import_(
            chunks(gzip.compress(BASE)),
            repository="mine",
            tag="v1",
            message="",
            changes=["CMD echo hi", "ENV A=1 B='2 3'", "EXPOSE 80"],
            platform="",
        )
    ]
    image = bench.images.get("mine:v1")
    assert messages == [{"status": image.id}]
    document = image.document
    assert document.config is not None
    assert document.config.cmd == ["/bin/sh", "-c", "echo hi"]
    assert document.config.env == ["A=1", "B=2 3"]
    assert document.history[0].comment == "Imported from -"
    assert document.rootfs.diff_ids == [f"sha256:{sha256(BASE)}"]
    assert tree(await bench.snapshotter.view(image.chain_ids[0])) == ["bin/tool", "etc/motd"]
    assert await bench.save("mine:v1")


async def test_a_bad_import_leaves_nothing(bench: ImageBench) -> None:
    for source in (b"", b"garbage" * 1000, BASE[:100_000], gzip.compress(BASE)[:-9]):
        with pytest.raises(InvalidArgument):
            async for _ in bench.images.import_(
                chunks(source), repository="x", tag="", message="", changes=[], platform=""
            ):
                pass
    await bench.snapshotter.settle()
    assert bench.leftovers() == NOTHING


async def test_images_survive_a_restart(tmp_path: Path) -> None:
    async with image_bench(tmp_path / "data") as first:
        await first.load(docker_archive([BASE, UPPER], ["a:1"]))
        before = first.images.get("a:1")
    async with image_bench(tmp_path / "data") as second:
        assert second.images.get("a:1") == before
        assert len(second.leftovers()["blobs"]) == 3
        assert len(second.leftovers()["snapshots"]) == 2


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
async def test_killed_while_loading_leaves_all_or_nothing(tmp_path: Path, delay: float) -> None:
    """kill -9 at some moment of a load; the next start finds the image whole or no trace of it."""
    noise = random.Random(1)
    layers = [tar({f"f{n}-{m}": noise.randbytes(3_000) for m in range(300)}) for n in range(6)]
    archive = tmp_path / "archive.tar"
    archive.write_bytes(docker_archive(layers, ["a:1"]))
    data = tmp_path / "data"
    bench_program = Path(__file__).parents[1] / "support/image_bench.py"
    process = subprocess.Popen(
        [sys.executable, bench_program, data, "load", archive], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    async with image_bench(data) as bench:
        await bench.snapshotter.settle()
        if bench.images.count == 0:
            assert bench.leftovers() == NOTHING
        else:
            image = bench.images.get("a:1")
            assert len(bench.leftovers()["snapshots"]) == 6
            assert len(bench.leftovers()["blobs"]) == 7
            assert image.top is not None
            assert len(tree(await bench.snapshotter.view(image.top))) == 1800
            assert bench.leftovers()["tmp"] == []
        await bench.load(archive)
        assert bench.images.get("a:1").size == 6 * 300 * 3_000
