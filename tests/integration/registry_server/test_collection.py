"""Collecting garbage: what goes, what stays, and what is being used meanwhile."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from support.registry_server import (
    RegistryServer,
    descriptor,
    digest_of,
    index,
    manifest,
    with_digest,
)
from wharfie.formats.oci.descriptor import OCI_LAYER, OCI_MANIFEST
from wharfie.registry.config import Config, GcConfig, Retention, StorageConfig

DELETING = Config(storage=StorageConfig(delete=True))


def collect(registry: RegistryServer, **options: object):
    return registry.run(registry.registry.upkeep.collect(**{"grace": 0.0, **options}))


def blobs_of(root: Path) -> set[str]:
    top = root / "docker/registry/v2/blobs"
    return {f"{path.parts[-4]}:{path.parent.name}" for path in top.rglob("data")}


def delete(registry: RegistryServer, path: str) -> None:
    assert registry.ask("DELETE", path).status == 202


def test_a_tagged_image_stays_and_what_nobody_refers_to_goes(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        registry.push_image("app", "v1", (b"one", b"two"))
        before = blobs_of(tmp_path)
        loose = registry.push_blob("app", b"never named")
        assert not collect(registry, grace=3600.0).blobs
        report = collect(registry)
        assert (report.links, report.blobs, report.freed) == (1, 1, len(b"never named"))
        assert blobs_of(tmp_path) == before
        assert registry.ask("GET", f"/v2/app/blobs/{loose}").status == 404
        for blob in (b"one", b"two"):
            assert registry.ask("GET", f"/v2/app/blobs/{digest_of(blob)}").body == blob


def test_deleting_the_last_tag_frees_the_bytes(tmp_path: Path) -> None:
    """The complaint against Docker's registry: there they stay for ever."""
    with RegistryServer(tmp_path, DELETING) as registry:
        registry.push_image("app", "v1", (b"shared", b"first"))
        registry.push_image("app", "v2", (b"shared", b"second"))
        delete(registry, "/v2/app/manifests/v1")
        report = collect(registry)
        assert (report.manifests, report.blobs) == (1, 3)
        assert digest_of(b"shared") in blobs_of(tmp_path)
        assert digest_of(b"first") not in blobs_of(tmp_path)
        delete(registry, "/v2/app/manifests/v2")
        collect(registry)
        assert blobs_of(tmp_path) == set()
        assert registry.ask("GET", "/v2/_catalog").json["repositories"] == []
        assert not (tmp_path / "docker/registry/v2/repositories/app").exists()
        registry.push_image("app", "v3")
        assert registry.ask("GET", "/v2/_catalog").json["repositories"] == ["app"]


def test_a_manifest_with_another_tag_stays(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, DELETING) as registry:
        registry.push_blob("app", b"{}")
        for tag in ("a", "b"):
            digest = registry.push_manifest("app", manifest(b"{}"), tag)
        delete(registry, "/v2/app/manifests/a")
        assert not collect(registry).manifests
        assert registry.ask("GET", f"/v2/app/manifests/{digest}").status == 200


def test_a_manifest_whose_tag_moved_on_stays_unless_configured(tmp_path: Path) -> None:
    """Machines that pinned its digest must find it."""
    with RegistryServer(tmp_path) as registry:
        old = registry.push_image("app", "latest", (b"old",))
        registry.push_image("app", "latest", (b"new",))
        assert not collect(registry).manifests
        assert registry.ask("GET", f"/v2/app/manifests/{old}").status == 200
    with RegistryServer(tmp_path, Config(gc=GcConfig(untagged=0.0))) as registry:
        assert collect(registry).manifests == 1
        assert registry.ask("GET", f"/v2/app/manifests/{old}").status == 404
        assert registry.ask("GET", "/v2/app/manifests/latest").status == 200


def test_what_an_index_or_a_subject_holds_stays(tmp_path: Path) -> None:
    config = Config(gc=GcConfig(untagged=0.0), storage=StorageConfig(delete=True))
    with RegistryServer(tmp_path, config) as registry:
        child = registry.push_image("app", "", (b"child",))
        entry = {"mediaType": OCI_MANIFEST, "digest": child, "size": 1}
        top = registry.push_manifest("app", index(entry), "v1")
        registry.push_blob("app", b"{}")
        signed = manifest(b"{}", subject={"mediaType": OCI_MANIFEST, "digest": top, "size": 1})
        signature = registry.push_manifest("app", signed)
        assert not collect(registry).manifests
        for digest in (child, signature):
            assert registry.ask("GET", f"/v2/app/manifests/{digest}").status == 200
        delete(registry, "/v2/app/manifests/v1")
        assert collect(registry).manifests == 3
        assert blobs_of(tmp_path) == set()


def test_a_signature_goes_with_its_image(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, DELETING) as registry:
        image = registry.push_image("app", "v1")
        registry.push_blob("app", b"{}")
        signed = manifest(b"{}", subject={"mediaType": OCI_MANIFEST, "digest": image, "size": 1})
        registry.push_manifest("app", signed)
        delete(registry, f"/v2/app/manifests/{image}")
        collect(registry)
        assert blobs_of(tmp_path) == set()


def test_one_repository_does_not_lose_what_another_let_go(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, DELETING) as registry:
        for name in ("a", "b"):
            registry.push_image(name, "v1", (b"both have it",))
        delete(registry, "/v2/a/manifests/v1")
        collect(registry)
        path = f"blobs/{digest_of(b'both have it')}"
        assert registry.ask("GET", f"/v2/b/{path}").body == b"both have it"
        assert registry.ask("GET", f"/v2/a/{path}").status == 404


def test_a_dry_run_changes_nothing_and_tells_the_same(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, DELETING) as registry:
        registry.push_image("app", "v1", (b"gone",))
        registry.push_blob("app", b"loose")
        delete(registry, "/v2/app/manifests/v1")
        before = blobs_of(tmp_path)
        told = collect(registry, dry_run=True)
        assert blobs_of(tmp_path) == before
        done = collect(registry)
        assert (told.manifests, told.links, told.blobs, told.freed) == (
            done.manifests,
            done.links,
            done.blobs,
            done.freed,
        )


def test_a_client_that_was_told_of_a_blob_may_rely_on_it(tmp_path: Path) -> None:
    """Old garbage that somebody asks for is given a new grace."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_blob("app", b"an old layer")
        link = tmp_path / f"docker/registry/v2/repositories/app/_layers/{digest.replace(':', '/')}"
        long_ago = time.time() - 10_000
        os.utime(link / "link", (long_ago, long_ago))
        os.utime(registry.blob_file(digest), (long_ago, long_ago))
        assert registry.ask("HEAD", f"/v2/app/blobs/{digest}").status == 200
        assert not collect(registry, grace=5000.0).links
        registry.push_blob("app", b"{}")
        registry.push_manifest("app", manifest(b"{}", b"an old layer"), "v1")
        collect(registry)
        assert registry.ask("GET", f"/v2/app/blobs/{digest}").status == 200


def test_a_broken_manifest_keeps_the_layers_of_its_repository(tmp_path: Path) -> None:
    """What cannot be read may need anything."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1", (b"layer of a broken one",))
        registry.blob_file(digest).write_bytes(b"{}")
    with RegistryServer(tmp_path) as registry:
        assert collect(registry).problems
        assert digest_of(b"layer of a broken one") in blobs_of(tmp_path)
        # Pushed again, it is whole.
        registry.push_image("app", "v1", (b"layer of a broken one",))
        assert registry.ask("GET", f"/v2/app/manifests/{digest}").status == 200
        assert not collect(registry).problems


def test_an_upload_nobody_goes_on_with_is_swept(tmp_path: Path) -> None:
    config = Config(storage=StorageConfig(upload_age=1000.0))
    with RegistryServer(tmp_path, config) as registry:
        old, young = registry.begin("app"), registry.begin("app")
        for location in (old, young):
            registry.ask("PATCH", location, b"half")
        top = tmp_path / "docker/registry/v2/repositories/app/_uploads"
        long_ago = time.time() - 2000
        os.utime(top / old.rpartition("/")[2] / "data", (long_ago, long_ago))
        assert collect(registry).uploads == 1
        assert registry.ask("GET", old).status == 404
        assert registry.ask("GET", young).headers["range"] == "0-3"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("grace", [3600.0, 0.0])
def test_nothing_is_lost_while_32_clients_push_and_pull(tmp_path: Path, grace: float) -> None:
    """Must hold 2: pushes share layers, tags are deleted, garbage is collected all the time.

    With a grace there is no error at all. Without one a push may be told that a blob it found is
    gone by now, and then pushes it. What was acknowledged must be whole at all times.
    """
    rounds, clients = 8, 32
    shared = [os.urandom(2000) for _ in range(8)]
    failures: list[str] = []
    stop = threading.Event()
    with RegistryServer(tmp_path, DELETING) as registry:

        def check(name: str, tag: str) -> None:
            answer = registry.ask("GET", f"/v2/{name}/manifests/{tag}")
            assert answer.status == 200, (tag, answer)
            for one in (answer.json["config"], *answer.json["layers"]):
                blob = registry.ask("GET", f"/v2/{name}/blobs/{one['digest']}")
                assert blob.status == 200, (tag, one, blob)
                assert digest_of(blob.body) == one["digest"]

        def push(name: str, number: int, turn: int) -> str:
            own = b"%d-%d" % (number, turn)
            layers = (shared[turn % 8], shared[(turn + number) % 8], own)
            config = json.dumps({"n": number, "t": turn}).encode()
            document = manifest(config, *layers)
            tag = f"c{number}-{turn}"
            data = json.dumps(document).encode()
            for _ in range(50):
                for blob in (config, *layers):
                    path = f"/v2/{name}/blobs/{digest_of(blob)}"
                    if registry.ask("HEAD", path).status != 200:
                        registry.push_blob(name, blob)
                path = f"/v2/{name}/manifests/{tag}"
                done = registry.ask("PUT", path, data, Content_Type=OCI_MANIFEST)
                if done.status == 201:
                    return tag
                assert not grace, done
                assert done.codes[0] == "MANIFEST_BLOB_UNKNOWN", done
            raise AssertionError("the collector always won")

        def client(number: int) -> None:
            name = f"crowd/{number % 4}"
            try:
                for turn in range(rounds):
                    tag = push(name, number, turn)
                    check(name, tag)
                    if turn % 2:
                        delete(registry, f"/v2/{name}/manifests/{tag}")
                    else:
                        check(name, f"c{number}-{turn}")
            except Exception as error:  # noqa: BLE001 - told by the test's own assertion
                failures.append(f"client {number}: {error!r}")

        runs = 0

        def collector() -> None:
            nonlocal runs
            while not stop.is_set():
                collect(registry, grace=grace)
                runs += 1

        threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
        tending = threading.Thread(target=collector)
        for thread in (*threads, tending):
            thread.start()
        for thread in threads:
            thread.join(200)
        stop.set()
        tending.join(60)
        assert not failures
        assert runs >= 3
        for number in range(clients):
            for turn in range(0, rounds, 2):
                check(f"crowd/{number % 4}", f"c{number}-{turn}")
        collect(registry)
        report = collect(registry)
        assert (report.manifests, report.blobs) == (0, 0)


def test_retention_keeps_what_a_rule_keeps(tmp_path: Path) -> None:
    rules = (
        Retention(repositories="team/**", tags="ci-.*", keep_last=2),
        Retention(repositories="team/**", tags=".*", keep="v[0-9]+"),
    )
    with RegistryServer(tmp_path, Config(retention=rules)) as registry:
        for tag in ("ci-1", "ci-2", "ci-3", "v1", "old"):
            registry.push_image("team/app", tag, (tag.encode(),))
            registry.push_image("other", tag)
        report = collect(registry)
        assert report.tags == ["team/app:ci-1", "team/app:old"]
        assert report.manifests == 2
        listed = registry.ask("GET", "/v2/team/app/tags/list").json["tags"]
        assert listed == ["ci-2", "ci-3", "v1"]
        assert len(registry.ask("GET", "/v2/other/tags/list").json["tags"]) == 5
        assert digest_of(b"ci-1") not in blobs_of(tmp_path)
        assert digest_of(b"ci-3") in blobs_of(tmp_path)


def test_a_mount_during_collection_keeps_the_blob(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_blob("source", b"mounted")
        path = f"/v2/target/blobs/uploads/?mount={digest}&from=source"

        async def race():
            content = registry.content
            with content.pins.reading() as turn:
                # The collector has looked; now somebody mounts, and goes.
                assert await content.blobs.mount("target", digest, "source")
                async with content.pins.claim(digest, turn) as claimed:
                    return claimed

        assert registry.run(race()) is False
        assert registry.ask("POST", path).status == 201


def test_deleting_waits_for_nobody_and_refuses_a_blob_being_pushed(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, DELETING) as registry:
        digest = registry.push_blob("app", b"in use")

        async def hold_and_delete():
            async with registry.content.pins.hold(digest):
                await registry.content.delete_blob("app", digest)

        with pytest.raises(Exception, match="being pushed"):
            registry.run(hold_and_delete())
        assert registry.ask("DELETE", f"/v2/app/blobs/{digest}").status == 202


def test_foreign_layers_are_not_missed(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        registry.push_blob("app", b"{}")
        foreign = descriptor(b"theirs", OCI_LAYER, urls=["https://example.com/layer"])
        document = {**manifest(b"{}"), "layers": [foreign]}
        registry.push_manifest("app", document, "v1")
        assert not collect(registry).problems


def test_an_upload_goes_on_after_a_collection(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        location = registry.begin("app")
        registry.ask("PATCH", location, b"first ")
        collect(registry)
        digest = digest_of(b"first second")
        assert registry.ask("PUT", with_digest(location, digest), b"second").status == 201
