"""Pulls over a real socket: our registry in threads, the engine's service on fakes."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.image_archives import tar
from support.registry import Registry, digest_of
from support.registry_engine import Engine, texts
from wharfie.engine.images import Images
from wharfie.formats.oci.descriptor import OCI_MANIFEST
from wharfie.model.errors import NotFound
from wharfie.model.registry import AccessRefused, Credentials

BASE = tar({"a": b"1" * 100})
UPPER = tar({"b": b"2" * 50})


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    await engine.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.mark.parametrize("oci", [True, False])
async def test_a_pull_tells_what_docker_tells(
    engine: Engine, registry: Registry, oci: bool
) -> None:
    built = registry.add_image("lib/app", "1", [BASE, UPPER], oci=oci)
    name = f"{registry.host}/lib/app"
    messages = await engine.pull(f"{name}:1")
    assert messages[0] == {"status": f"Pulling from {name}", "id": "1"}
    assert texts(messages)[-2:] == [
        f"Digest: {built.digest}",
        f"Status: Downloaded newer image for {name}:1",
    ]
    for blob in built.blobs:
        layer = [m["status"] for m in messages if m.get("id") == digest_of(blob)[7:19]]
        assert layer[0] == "Pulling fs layer"
        assert layer[-1] == "Pull complete"
        assert layer.index("Verifying Checksum") < layer.index("Download complete")
    image = engine.images.get(f"{name}:1")
    assert image.id == built.id
    assert image.digests == [f"{name}@{built.digest}"]
    assert image.manifest is not None
    assert image.manifest.digest == built.digest
    wanted = [built.manifest, built.config, *built.blobs]
    assert engine.left() == sorted(digest_of(data)[7:] for data in wanted)


async def test_an_image_that_is_here_is_up_to_date(engine: Engine, registry: Registry) -> None:
    registry.add_image("app", "1", [BASE])
    ref = f"{registry.host}/app:1"
    await engine.pull(ref)
    before = len(registry.requests)
    assert texts(await engine.pull(ref))[-1] == f"Status: Image is up to date for {ref}"
    assert len(registry.requests) == before + 1


async def test_a_moved_tag_leaves_the_old_image_dangling(
    engine: Engine, registry: Registry
) -> None:
    old = registry.add_image("app", "1", [BASE])
    ref = f"{registry.host}/app:1"
    await engine.pull(ref)
    new = registry.add_image("app", "1", [BASE, UPPER])
    messages = await engine.pull(ref)
    assert "Already exists" in texts(messages)
    assert engine.images.get(ref).id == new.id
    assert engine.images.get(old.id).tags == []
    # And so it is after a restart.
    again = Images(engine.store, engine.content, engine.snapshotter, engine.archiver, engine.events)
    await again.open(dict)
    assert again.get(ref).id == new.id
    assert again.get(old.id).tags == []


async def test_the_hosts_platform_is_chosen_from_an_index(
    engine: Engine, registry: Registry
) -> None:
    mine = registry.add_image("app", "", [BASE])
    other = registry.add_image("app", "", [UPPER], architecture="arm64")

    def entry(data: bytes, architecture: str) -> dict[str, object]:
        platform = {"os": "linux", "architecture": architecture}
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest_of(data),
            "size": len(data),
            "platform": platform,
        }

    entries = [entry(other.manifest, "arm64"), entry(mine.manifest, "amd64")]
    index = registry.add_index("app", "1", entries)
    ref = f"{registry.host}/app:1"
    await engine.pull(ref)
    assert engine.images.get(ref).id == mine.id
    assert engine.images.get(ref).digests == [f"{registry.host}/app@{index}"]
    await engine.pull(ref, platform="linux/arm64")
    assert engine.images.get(ref).id == other.id
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x"):
        await engine.pull(ref, platform="linux/s390x")


async def test_by_digest_and_all_tags(engine: Engine, registry: Registry) -> None:
    one = registry.add_image("app", "1", [BASE])
    registry.add_image("app", "2", [BASE, UPPER])
    ref = f"{registry.host}/app@{one.digest}"
    assert texts(await engine.pull(ref))[-1] == f"Status: Downloaded newer image for {ref}"
    assert engine.images.get(ref).tags == []
    await engine.pull(f"{registry.host}/app")
    assert engine.images.get(f"{registry.host}/app:1").id == one.id
    assert engine.images.get(f"{registry.host}/app:2").id != one.id


async def test_refusals_are_in_dockers_words(engine: Engine, registry: Registry) -> None:
    registry.add_image("app", "1", [BASE])
    host = registry.host
    with pytest.raises(NotFound) as missing:
        await engine.pull(f"{host}/app:2")
    assert str(missing.value) == (
        f"manifest for {host}/app:2 not found: manifest unknown: manifest unknown"
    )
    with pytest.raises(NotFound, match=f"repository {host}/none not found: name unknown:"):
        await engine.pull(f"{host}/none:1")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_credentials_are_shown_when_asked_for(tmp_path: Path, auth: str) -> None:
    with Registry(user="joe:secret", auth=auth) as registry:
        registry.add_image("app", "1", [BASE])
        engine = Engine(tmp_path)
        ref = f"{registry.host}/app:1"
        await engine.pull(ref, credentials=Credentials(username="joe", password="secret"))
        assert "authorization" not in registry.requests[0].headers
        with pytest.raises(AccessRefused):
            await engine.pull(ref, credentials=Credentials(username="joe", password="wrong"))
        with pytest.raises(AccessRefused):
            await engine.pull(ref)
        await engine.close()


async def test_a_token_serves_until_it_is_refused(tmp_path: Path) -> None:
    with Registry(user="joe:secret", auth="bearer") as registry:
        registry.add_image("app", "1", [BASE])
        engine = Engine(tmp_path)
        joe = Credentials(username="joe", password="secret")
        await engine.pull(f"{registry.host}/app:1", credentials=joe)
        await engine.pull(f"{registry.host}/app:1", credentials=joe)
        assert len(registry.tokens) == 1
        registry.tokens.clear()
        await engine.pull(f"{registry.host}/app:1", credentials=joe)
        assert len(registry.tokens) == 1
        await engine.close()


async def test_identity_tokens_are_exchanged(tmp_path: Path) -> None:
    with Registry(user="joe:secret", auth="bearer") as registry:
        registry.add_image("app", "1", [BASE])
        engine = Engine(tmp_path)
        await engine.pull(
            f"{registry.host}/app:1", credentials=Credentials(identitytoken="identity")
        )
        assert "/token" in registry.paths("POST")
        await engine.close()


async def test_large_blobs_come_in_ranges(engine: Engine, registry: Registry) -> None:
    layer = tar({"big": random.Random(1).randbytes(30 << 20)})
    blob = gzip.compress(layer, 0)
    registry.add_image("app", "1", [layer], blobs=[blob])
    await engine.pull(f"{registry.host}/app:1")
    ranges = [asked for asked in registry.requests if "range" in asked.headers]
    assert len(ranges) == 4
    assert registry.sent - len(blob) < 4096
