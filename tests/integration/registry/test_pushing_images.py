"""Pushes over a real socket, logins, searches, distribution inspect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.image_archives import docker_archive, tar
from support.registry import Handler, Registry, digest_of
from support.registry_engine import Engine, texts
from wharfie.engine.images.distribution.remote import SearchFilters
from wharfie.formats.oci.descriptor import DOCKER_MANIFEST
from wharfie.model.errors import InvalidArgument, NotFound, Unauthorized
from wharfie.model.registry import ANONYMOUS, AccessRefused, Credentials

BASE = tar({"a": b"1" * 300_000})
UPPER = tar({"b": b"2" * 50})


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path / "one")
    yield engine
    await engine.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


async def test_a_loaded_image_is_pushed_and_pulled_as_it_was(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.host}/app:1"
    await engine.load(docker_archive([BASE, UPPER], [ref]))
    image = engine.images.get(ref)
    messages = await engine.push(f"{registry.host}/app", "1")
    told = texts(messages)
    assert told[0] == f"The push refers to repository [{registry.host}/app]"
    assert told.count("Preparing") == told.count("Pushed") == 2
    kind, manifest = registry.repos["app"].manifests["1"]
    assert kind == DOCKER_MANIFEST
    assert told[-1] == f"1: digest: {digest_of(manifest)} size: {len(manifest)}"
    assert messages[-1]["aux"] == {
        "Tag": "1",
        "Digest": digest_of(manifest),
        "Size": len(manifest),
    }
    assert engine.images.get(ref).digests == [f"{registry.host}/app@{digest_of(manifest)}"]
    other = Engine(tmp_path / "two")
    await other.pull(ref)
    assert other.images.get(ref).id == image.id
    await other.close()
    again = texts(await engine.push(f"{registry.host}/app", "1"))
    assert again.count("Layer already exists") == 2
    assert registry.repos["app"].manifests["1"][1] == manifest


@pytest.mark.parametrize("oci", [True, False])
async def test_a_pulled_image_keeps_its_digest(
    engine: Engine, registry: Registry, oci: bool
) -> None:
    built = registry.add_image("app", "1", [BASE, UPPER], oci=oci)
    await engine.pull(f"{registry.host}/app:1")
    with Registry() as other:
        await engine.images.tag(f"{registry.host}/app:1", repository=f"{other.host}/b/c", tag="2")
        await engine.push(f"{other.host}/b/c", "2")
        assert other.repos["b/c"].manifests["2"][1] == built.manifest


async def test_layers_of_another_repository_are_mounted(engine: Engine, registry: Registry) -> None:
    registry.add_image("base", "1", [BASE])
    await engine.pull(f"{registry.host}/base:1")
    await engine.images.tag(f"{registry.host}/base:1", repository=f"{registry.host}/app", tag="1")
    told = texts(await engine.push(f"{registry.host}/app", "1"))
    assert f"Mounted from {registry.host}/base" in told
    assert not registry.paths("PATCH")[1:]  # the config alone


async def test_a_push_of_what_only_the_registry_has_keeps_what_is_here(
    engine: Engine, registry: Registry
) -> None:
    """The same image, loaded and pulled: its layers are here as the blobs they were loaded as."""
    name = f"{registry.host}/app"
    built = registry.add_image("base", "1", [BASE], oci=False)
    archive = docker_archive([BASE], [f"{name}:1"], image_config=built.config)
    await engine.load(archive)
    await engine.pull(f"{registry.host}/base:1")
    await engine.push(name, "1")
    assert registry.repos["app"].manifests["1"][1] == built.manifest
    image = engine.images.get(f"{name}:1")
    assert all(engine.content.has(layer.digest) for layer in image.layers)
    assert [data async for data in engine.images.save([f"{name}:1"])]


async def test_all_tags_of_a_repository_are_pushed(engine: Engine, registry: Registry) -> None:
    names = [f"{registry.host}/app:{tag}" for tag in ("1", "2")]
    await engine.load(docker_archive([BASE], names))
    await engine.push(f"{registry.host}/app")
    assert {"1", "2"} <= set(registry.repos["app"].manifests)


async def test_what_is_not_here_cannot_be_pushed(engine: Engine, registry: Registry) -> None:
    with pytest.raises(NotFound) as missing:
        await engine.push(f"{registry.host}/app", "1")
    assert str(missing.value) == (
        f"An image does not exist locally with the tag: {registry.host}/app"
    )
    with pytest.raises(InvalidArgument):
        await engine.push("NOT A NAME")


async def test_a_push_that_breaks_off_is_tried_again(engine: Engine, registry: Registry) -> None:
    await engine.load(docker_archive([BASE], [f"{registry.host}/app:1"]))
    broken: list[str] = []

    def rule(handler: Handler) -> bool:
        if handler.command == "PATCH" and len(broken) < 3:
            broken.append(handler.path)
            handler.hang_up()
            return True
        return False

    registry.rules.append(rule)
    await engine.push(f"{registry.host}/app", "1")
    assert len(broken) == 3
    assert "1" in registry.repos["app"].manifests


async def test_credentials_of_a_push(engine: Engine, tmp_path: Path) -> None:
    for auth in ("basic", "bearer"):
        with Registry(user="joe:secret", auth=auth) as registry:
            name = f"{registry.host}/app"
            await engine.load(docker_archive([BASE], [f"{name}:1"]))
            with pytest.raises(AccessRefused):
                await engine.push(name, "1", credentials=Credentials(username="joe", password="x"))
            joe = Credentials(username="joe", password="secret")
            await engine.push(name, "1", credentials=joe)
            assert "1" in registry.repos["app"].manifests


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_a_login_is_checked(engine: Engine, auth: str) -> None:
    with Registry(user="joe:secret", auth=auth) as registry:
        joe = Credentials(username="joe", password="secret", serveraddress=registry.host)
        done = await engine.remote.login(joe)
        assert done.status == "Login Succeeded"
        assert done.identity_token == ("identity" if auth == "bearer" else "")
        wrong = Credentials(username="joe", password="x", serveraddress=registry.host)
        with pytest.raises(Unauthorized, match=f'Get "http://{registry.host}/v2/": ') as refused:
            await engine.remote.login(wrong)
        assert "secret" not in str(refused.value)


async def test_distribution_tells_digest_and_platforms(engine: Engine, registry: Registry) -> None:
    built = registry.add_image("app", "1", [BASE])
    found = await engine.remote.inspect(f"{registry.host}/app:1", ANONYMOUS)
    assert found.descriptor.digest == built.digest
    assert [(p.os, p.architecture) for p in found.platforms] == [("linux", "amd64")]
    with pytest.raises(NotFound):
        await engine.remote.inspect(f"{registry.host}/app:2", ANONYMOUS)


async def test_a_search_asks_the_named_registry(engine: Engine, registry: Registry) -> None:
    def rule(handler: Handler) -> bool:
        if not handler.path.startswith("/v1/search"):
            return False
        results = [
            {"name": "app", "description": None, "star_count": stars, "is_official": stars > 5}
            for stars in (1, 9)
        ]
        handler.answer(200, json.dumps({"num_results": 2, "results": results}).encode())
        return True

    registry.rules.append(rule)
    term = f"{registry.host}/app"
    found = await engine.remote.search(term, ANONYMOUS, limit=0, filters=SearchFilters(stars=5))
    assert [(one.name, one.star_count, one.is_official) for one in found] == [("app", 9, True)]
    assert registry.paths() == ["/v1/search?n=25&q=app"]
    with pytest.raises(InvalidArgument, match="outside the range"):
        await engine.remote.search(term, ANONYMOUS, limit=101, filters=SearchFilters())


async def test_a_refused_push_says_why(engine: Engine, registry: Registry) -> None:
    await engine.load(docker_archive([BASE], [f"{registry.host}/app:1"]))

    def rule(handler: Handler) -> bool:
        if handler.command != "POST":
            return False
        handler.body()
        handler.error(403, "DENIED", "requested access to the resource is denied")
        return True

    registry.rules.append(rule)
    with pytest.raises(
        AccessRefused, match=r"^denied: requested access to the resource is denied$"
    ):
        await engine.push(f"{registry.host}/app", "1")
