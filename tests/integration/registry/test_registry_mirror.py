"""`wharfie-registry mirror`: what arrives is what was there, byte for byte, with all around it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.registry import Handler, Registry, digest_of
from support.registry_server import RegistryServer, descriptor, index, manifest
from wharfie.formats.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_MANIFEST,
)
from wharfie.registry.commands import mirror


class World:
    def __init__(self, source: RegistryServer, target: RegistryServer, capsys) -> None:
        self.source, self.target = source, target
        self.capsys = capsys

    def mirror(self, what: str, *options: str, prefix: str = "", expect: int = 0) -> str:
        here, there = f"127.0.0.1:{self.source.port}", f"127.0.0.1:{self.target.port}"
        code = mirror.run([*options, f"{here}/{what}", f"{there}/{prefix}"])
        told = self.capsys.readouterr().out
        assert code == expect, told
        return told

    def same(self, name: str, *references: str, at: str = "") -> None:
        """The same manifests under the same names, and all they name."""
        for reference in references:
            ours = self.source.ask("GET", f"/v2/{name}/manifests/{reference}")
            theirs = self.target.ask("GET", f"/v2/{at or name}/manifests/{reference}")
            assert (ours.status, theirs.status) == (200, 200), reference
            assert ours.body == theirs.body
            for field in ("content-type", "docker-content-digest"):
                assert ours.headers[field] == theirs.headers[field]
            document = json.loads(ours.body)
            self.same(name, *(one["digest"] for one in document.get("manifests", [])), at=at)
            for one in (document.get("config"), *document.get("layers", [])):
                if one and "urls" not in one:
                    reply = self.target.ask("GET", f"/v2/{at or name}/blobs/{one['digest']}")
                    assert digest_of(reply.body) == one["digest"] or "sha512" in one["digest"]


@pytest.fixture
def world(tmp_path: Path, capsys, monkeypatch) -> Iterator[World]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with ExitStack() as stack:
        sides = [stack.enter_context(RegistryServer(tmp_path / n)) for n in ("from", "to")]
        yield World(*sides, capsys)


def push(at: RegistryServer, name: str, document: dict, reference: str = "") -> tuple[str, dict]:
    data = json.dumps(document, indent=3).encode()  # no canonical spelling: bytes must stay
    kind = document.get("mediaType", OCI_MANIFEST)
    target = reference or digest_of(data)
    done = at.ask("PUT", f"/v2/{name}/manifests/{target}", data, Content_Type=kind)
    assert done.status == 201, done
    return digest_of(data), descriptor(data, kind)


def push_all(at: RegistryServer, name: str) -> dict[str, str]:
    """Everything a repository may hold; names to digests."""
    for blob in (b"{}", b"layer-1", b"layer-2", b"sig"):
        at.push_blob(name, blob)
    at.push_blob(name, b"layer-3", "sha512")
    docker = {
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
        "config": descriptor(b"{}", DOCKER_CONFIG),
        "layers": [descriptor(b"layer-1", DOCKER_LAYER_GZIP),
                   {**descriptor(b"gone", DOCKER_LAYER_GZIP), "urls": ["https://example.com/x"]}],
    }  # fmt: skip
    long = manifest(b"{}", b"layer-2")
    long["layers"].append(descriptor(b"layer-3", "application/x", "sha512"))
    first, first_entry = push(at, name, docker, "docker")
    _, second_entry = push(at, name, long)
    inner, inner_entry = push(at, name, index(second_entry))
    outer, entry = push(at, name, index(first_entry, inner_entry), "multi")
    signature, signed = push(
        at, name, manifest(b"{}", b"sig", subject=entry, artifactType="application/sig")
    )
    push(at, name, manifest(b"{}", b"sig", subject=signed, artifactType="application/of-sig"))
    push(at, name, manifest(b"{}", b"sig"), outer.replace(":", "-") + ".sig")
    return {"docker": first, "multi": outer, "signature": signature, "inner": inner}


def test_a_repository_is_copied_with_all_around_it(world: World) -> None:
    names = push_all(world.source, "team/app")
    told = world.mirror("team/app")
    sig = names["multi"].replace(":", "-") + ".sig"
    tags = ["docker", "multi", sig]
    assert world.target.ask("GET", "/v2/team/app/tags/list").json["tags"] == sorted(tags)
    world.same("team/app", *tags, *names.values())
    for subject, count in ((names["multi"], 1), (names["signature"], 1), (names["docker"], 0)):
        listed = [s.ask("GET", f"/v2/team/app/referrers/{subject}").json["manifests"]
                  for s in (world.source, world.target)]  # fmt: skip
        assert listed[0] == listed[1]
        assert len(listed[0]) == count
    assert "3 copied, 0 unchanged, 0 failed" in told


def test_what_is_there_is_not_sent_again(world: World) -> None:
    push_all(world.source, "team/app")
    world.mirror("team/app")
    assert "0 copied, 3 unchanged, 0 failed, 0 bytes sent" in world.mirror("team/app")
    world.source.push_blob("team/app", b"newer")
    push(world.source, "team/app", manifest(b"{}", b"newer"), "docker")
    told = world.mirror("team/app")
    assert "1 copied, 2 unchanged, 0 failed, 5 bytes sent" in told
    world.same("team/app", "docker")


def test_patterns_choose_repositories_and_tags(world: World) -> None:
    for name in ("team/a", "team/b/c", "other/d"):
        for tag in ("v1.0", "v2.0", "dev"):
            world.source.push_image(name, tag)
    told = world.mirror("team/**:v*", prefix="copy/of")
    names = world.target.ask("GET", "/v2/_catalog").json["repositories"]
    assert names == ["copy/of/team/a", "copy/of/team/b/c"]
    reply = world.target.ask("GET", "/v2/copy/of/team/a/tags/list")
    assert reply.json["tags"] == ["v1.0", "v2.0"]
    world.same("team/b/c", "v1.0", at="copy/of/team/b/c")
    assert "4 copied" in told


def test_a_tag_brings_its_signatures(world: World) -> None:
    names = push_all(world.source, "team/app")
    world.mirror("team/app:multi")
    tags = world.target.ask("GET", "/v2/team/app/tags/list").json["tags"]
    assert tags == ["multi", names["multi"].replace(":", "-") + ".sig"]
    world.mirror("team/app:docker", "--referrers=false", prefix="bare")
    tags = world.target.ask("GET", "/v2/bare/team/app/tags/list").json["tags"]
    assert tags == ["docker"]


def test_one_manifest_by_digest(world: World) -> None:
    names = push_all(world.source, "team/app")
    world.mirror(f"team/app@{names['inner']}")
    world.same("team/app", names["inner"])
    assert world.target.ask("GET", "/v2/team/app/tags/list").json["tags"] == []


def test_a_rehearsal_copies_nothing(world: World) -> None:
    push_all(world.source, "team/app")
    assert "team/app:multi  would be copied" in world.mirror("team/app", "--dry-run")
    assert world.target.ask("GET", "/v2/_catalog").json["repositories"] == []


def test_blobs_of_another_repository_are_mounted(world: World) -> None:
    for name in ("team/a", "team/b"):
        world.source.push_image(name, "1", (os.urandom(10), b"shared" * 1000))
    told = world.mirror("team/*")
    assert f"{6000 + 20 + sum(len(config(name)) for name in 'ab')} bytes sent" in told


def config(name: str) -> bytes:
    return json.dumps({"name": f"team/{name}", "tag": "1"}).encode()


def test_what_cannot_be_copied_is_told_and_the_rest_is_copied(world: World) -> None:
    world.source.push_image("team/a", "1")
    lost = world.source.push_image("team/b", "1", (b"lost",))
    world.source.blob_file(digest_of(b"lost")).unlink()
    assert lost
    told = world.mirror("team/*", expect=1)
    assert "1 copied, 0 unchanged, 1 failed" in told
    assert "team/b:1  FAILED" in told
    assert world.target.ask("GET", "/v2/team/b/manifests/1").status == 404
    assert "nothing matches" in world.mirror("none/*", expect=1)
    assert "FAILED" in world.mirror("team/none", expect=1)
    assert "no tag matches" in world.mirror("team/a:9*", expect=1)


def test_a_lying_source_leaves_nothing(world: World, capsys) -> None:
    with Registry() as source:
        image = source.add_image("app", "1", [], blobs=[b"layer" * 1000])

        def lie(handler: Handler) -> bool:
            if digest_of(image.blobs[0]) not in handler.path or handler.command != "GET":
                return False
            handler.answer(200, b"liver" * 1000)
            return True

        source.rules.append(lie)
        words = [f"{source.host}/app", f"127.0.0.1:{world.target.port}"]
        assert mirror.run(words) == 1
        assert "other bytes" in capsys.readouterr().out
        assert world.target.ask("GET", "/v2/app/manifests/1").status == 404
        source.rules.clear()
        assert mirror.run(words) == 0


def test_each_side_has_its_own_credentials(world: World, tmp_path: Path, capsys) -> None:
    (tmp_path / "password").write_text("here\n")
    pair = base64.b64encode(b"other:there").decode()
    with Registry(user="one:here") as source, Registry(user="other:there", auth="bearer") as target:
        source.add_image("app", "1", [], blobs=[b"layer"])
        (tmp_path / "config.json").write_text(json.dumps({"auths": {target.host: {"auth": pair}}}))
        words = ["--source-user", "one", "--source-password-file", str(tmp_path / "password"),
                 f"{source.host}/app", target.host]  # fmt: skip
        assert mirror.run(words) == 0, capsys.readouterr().out
        assert "1" in target.repos["app"].manifests
        mine = base64.b64encode(b"one:here").decode()
        assert not any(mine in one.headers.get("authorization", "") for one in target.requests)
        assert not any(pair in one.headers.get("authorization", "") for one in source.requests)
        assert mirror.run([f"{source.host}/app", target.host]) == 1
        (tmp_path / "config.json").unlink()
        assert mirror.run(words) == 1


@pytest.mark.parametrize(
    "words",
    [
        [], ["a.example/b"], ["app", "b.example"], ["a.example/A", "b.example"],
        ["a.example/a@sha256:12", "b.example"], ["a.example/a", "b"],
        ["a.example/a", "b.example/../x"], ["a.example/a", "c.example/b", "d.example"],
        ["a.example/[", "b.example"], ["--jobs", "x", "a.example/a", "b.example"],
        ["--source-user", "u", "a.example/a", "b.example"],
        ["--source-user", "u", "--source-password-file", "/none", "a.example/a", "b.example"],
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(words: list[str], capsys) -> None:
    assert mirror.run(words) == 1
    assert capsys.readouterr().err.startswith("wharfie-registry: ")
