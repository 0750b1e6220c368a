"""`system check` over real files: each damage is found and mended, and nothing else touched."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.image_archives import docker_archive, tar
from support.image_bench import ImageBench, image_bench
from wharfie.engine.images import ImageUse
from wharfie.engine.images.upkeep import Finding, Summary
from wharfie.kernel.treediff import differences
from wharfie.model.ids import Digest, ImageId

pytestmark = pytest.mark.root

BASE = tar({"etc/motd": b"hello", "bin/tool": b"x" * 300_000})
UPPER = tar({"etc/.wh.motd": b"", "new": b"1"})


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ImageBench]:
    async with image_bench(tmp_path / "data") as bench:
        await bench.load(docker_archive([BASE, UPPER], ["app:1"]))
        yield bench


async def check(bench: ImageBench, *, repair: bool = False) -> tuple[list[Finding], Summary]:
    findings: list[Finding] = []
    async for message in bench.images.check(repair=repair):
        if isinstance(message, Summary):
            return findings, message
        findings.append(message)
    raise AssertionError("a check ends with a summary")


def layer_path(bench: ImageBench, number: int) -> Path:
    layer = bench.snapshotter.layer(bench.images.get("app:1").chain_ids[number])
    assert layer is not None
    return Path(bench.snapshotter.layer_directory(layer))


def blob_path(bench: ImageBench, number: int) -> Path:
    return Path(bench.content.path(bench.images.get("app:1").layers[number].digest))


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)


async def test_a_whole_store_has_no_findings(bench: ImageBench) -> None:
    before = bench.leftovers()
    findings, summary = await check(bench, repair=True)
    assert findings == []
    assert (summary.blobs, summary.layers, summary.unverified) == (3, 2, 0)
    await bench.snapshotter.settle()
    assert bench.leftovers() == before


@pytest.mark.parametrize("damage", ["content", "missing", "more", "mode"])
async def test_a_damaged_layer_is_named_and_unpacked_again(bench: ImageBench, damage: str) -> None:
    where = layer_path(bench, 0)
    match damage:
        case "content":
            spoil(where / "bin/tool")
        case "missing":
            (where / "etc/motd").unlink()
        case "more":
            (where / "etc/evil").touch()
        case "mode":
            (where / "bin/tool").chmod(0o4755)
    (finding,), _ = await check(bench)
    assert (finding.kind, finding.images, finding.repaired) == ("layer", ["app:1"], False)
    assert where.exists()
    assert "--repair" in finding.remedy
    (finding,), summary = await check(bench, repair=True)
    assert finding.repaired
    assert (summary.findings, summary.repaired) == (1, 1)
    assert (await check(bench))[0] == []
    assert (layer_path(bench, 0) / "etc/motd").read_bytes() == b"hello"


async def test_a_layer_whose_directory_is_gone_is_unpacked_again(bench: ImageBench) -> None:
    chain = bench.images.get("app:1").chain_ids[1]
    await bench.snapshotter.remove_layer(chain)
    (finding,), _ = await check(bench, repair=True)
    assert (finding.problem, finding.repaired) == ("its files are missing", True)
    assert (await check(bench))[0] == []


async def test_a_layer_a_container_runs_on_is_left_alone(bench: ImageBench) -> None:
    image = bench.images.get("app:1")
    uses = {ImageId(image.id): [ImageUse("c" * 64, True)]}
    await bench.images.open(lambda: uses)
    (layer_path(bench, 0) / "etc/motd").write_bytes(b"HELLO")
    (finding,), summary = await check(bench, repair=True)
    assert not finding.repaired
    assert "container cccccccccccc runs on it: stop it" in finding.remedy
    assert summary.repaired == 0
    uses[ImageId(image.id)] = [ImageUse("c" * 64, False)]
    (finding,), _ = await check(bench, repair=True)
    assert finding.repaired


async def test_a_damaged_blob_is_deleted_and_said_to_be_lost(bench: ImageBench) -> None:
    blob = blob_path(bench, 0)
    spoil(blob)
    (finding,), _ = await check(bench)
    assert finding.kind == "blob"
    assert "its content has the digest sha256:" in finding.problem
    assert blob.exists()
    (finding,), _ = await check(bench, repair=True)
    assert not finding.repaired
    assert "pull or load the image again" in finding.remedy
    assert not blob.exists()
    # Its files are unpacked and as good as before; there is nothing to compare them with.
    findings, summary = await check(bench)
    assert (findings, summary.unverified) == ([], 1)


async def test_a_missing_config_is_a_finding(bench: ImageBench) -> None:
    os.unlink(bench.content.path(Digest(bench.images.get("app:1").id)))
    (finding,), _ = await check(bench)
    assert (finding.kind, finding.problem) == ("blob", "it is missing")


async def test_a_removal_meanwhile_is_no_finding(bench: ImageBench) -> None:
    messages = bench.images.check(repair=True)
    (layer_path(bench, 0) / "etc/motd").unlink()
    await bench.images.remove("app:1")
    assert [type(message) async for message in messages] == [Summary]
    await bench.snapshotter.settle()
    assert bench.leftovers() == {"blobs": [], "snapshots": [], "tmp": []}


async def test_links_planted_in_a_layer_lead_nowhere(bench: ImageBench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "motd").write_bytes(b"hello")
    where = layer_path(bench, 0)
    (where / "etc/motd").unlink()
    (where / "etc").rmdir()
    (where / "etc").symlink_to(outside)
    (finding,), _ = await check(bench, repair=True)
    assert finding.problem == "etc: another kind of file"
    assert finding.repaired
    assert (outside / "motd").exists()


def test_treediff_tells_a_whiteout_from_a_file(bench_trees: tuple[Path, Path]) -> None:
    right, ours = bench_trees
    os.mknod(right / "gone", 0o20000, os.makedev(0, 0))
    (ours / "gone").touch()
    assert list(differences(str(right), str(ours))) == ["gone: another kind of file"]


@pytest.fixture
def bench_trees(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("right", "ours"):
        (tmp_path / name).mkdir()
    return tmp_path / "right", tmp_path / "ours"


def test_the_command_says_what_it_found_and_mended() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        whole = daemon.wharfie("system", "check")
        assert whole.returncode == 0
        assert "all is well" in whole.stdout
        (program,) = daemon.data_root.glob("snapshots/*/diff/bin/busybox")
        spoil(program)
        seen = daemon.wharfie("system", "check")
        assert seen.returncode == 1
        assert "bin/[: content differs" in seen.stdout
        mended = daemon.wharfie("system", "check", "--repair")
        assert (mended.returncode, "1 damaged, 1 repaired" in mended.stdout) == (0, True)
        ran = daemon.wharfie("run", "--rm", "--network", "none", "busybox", "echo", "well")
        assert (ran.returncode, ran.stdout) == (0, "well\n")
