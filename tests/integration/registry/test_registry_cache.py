"""A registry as a cache: what is fetched, what is served without the upstream, and to whom.

The upstream is a registry in threads that can be hostile in every way. Source: users.md G6, C4.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest

from support.registry import Built, Handler, Registry, digest_of
from support.registry_server import Answer, RegistryServer, descriptor, manifest
from wharfie.registry.config import Config, load

LAYER = os.urandom(3 << 20)
OTHER = {"digest": "sha256:" + "0" * 64}


def upstream_of(registry: Registry, prefix: str = "up", **options: object) -> str:
    lines = [f"  - prefix: '{prefix}'", f"    remoteurl: {registry.scheme}://{registry.host}"]
    lines += [f"    {name}: {value}" for name, value in {"ttl": "0s", **options}.items()]
    return "\n".join(lines) + "\n"


def configure(folder: Path, *upstreams: str, more: str = "") -> Config:
    text = more + "wharfie:\n  upstreams:\n" + "".join(upstreams)
    (folder / "config.yml").write_text(text)
    return load(str(folder / "config.yml"), environment={})


@pytest.fixture
def upstream() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.fixture
def image(upstream: Registry) -> Built:
    return upstream.add_image("team/app", "1", [], blobs=[LAYER])


@pytest.fixture
def cache(tmp_path: Path, upstream: Registry) -> Iterator[RegistryServer]:
    config = configure(tmp_path, upstream_of(upstream))
    with RegistryServer(tmp_path / "root", config) as registry:
        yield registry


def pull(cache: RegistryServer, built: Built, name: str = "up/team/app", **headers: str) -> None:
    """A whole pull, verified."""
    manifest = cache.ask("GET", f"/v2/{name}/manifests/1", **headers)
    assert (manifest.status, manifest.body) == (200, built.manifest)
    assert manifest.headers["docker-content-digest"] == built.digest
    for blob in (built.config, *built.blobs):
        reply = cache.ask("GET", f"/v2/{name}/blobs/{digest_of(blob)}", **headers)
        assert (reply.status, reply.body == blob) == (200, True)


def stop(upstream: Registry) -> Callable[[], None]:
    """Have the upstream hang up on everybody; returns what ends that."""

    def hang_up(handler: Handler) -> bool:
        handler.hang_up()
        return True

    upstream.rules.append(hang_up)
    return lambda: upstream.rules.remove(hang_up)


def test_what_was_pulled_once_needs_no_upstream(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    pull(cache, image)
    asked = len(upstream.requests)
    pull(cache, image)
    assert [(one.method, one.path) for one in upstream.requests[asked:]] == [
        ("HEAD", "/v2/team/app/manifests/1"),  # the tag alone is asked for again, without a pull
    ]
    stop(upstream)
    pull(cache, image)
    assert cache.ask("GET", f"/v2/up/team/app/manifests/{image.digest}").status == 200
    assert cache.ask("GET", "/v2/up/team/app/tags/list").json["tags"] == ["1"]
    assert cache.ask("GET", "/v2/_catalog").json["repositories"] == ["up/team/app"]


def test_what_was_never_pulled_is_not_there_without_upstream(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    back = stop(upstream)
    for path in ("manifests/1", f"manifests/{image.digest}", f"blobs/{digest_of(LAYER)}"):
        reply = cache.ask("GET", f"/v2/up/team/app/{path}")
        assert (reply.status, reply.codes) == (503, ["UNAVAILABLE"])
        assert int(reply.headers["retry-after"]) > 0
    back()
    pull(cache, image)


def test_a_tag_that_moved_is_fetched(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    pull(cache, image)
    newer = upstream.add_image("team/app", "1", [], blobs=[b"newer"])
    pull(cache, newer)
    assert cache.ask("GET", f"/v2/up/team/app/manifests/{image.digest}").status == 200


def test_a_tag_is_asked_for_again_after_its_time(tmp_path: Path, upstream: Registry) -> None:
    first = upstream.add_image("team/app", "1", [], blobs=[b"a"])
    config = configure(tmp_path, upstream_of(upstream, ttl="1h"))
    with RegistryServer(tmp_path / "root", config) as cache:
        pull(cache, first)
        upstream.add_image("team/app", "1", [], blobs=[b"b"])
        asked = len(upstream.requests)
        pull(cache, first)
        assert upstream.requests[asked:] == []


def test_what_the_upstream_took_back_is_not_served(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    pull(cache, image)
    del upstream.repos["team/app"].manifests["1"]
    reply = cache.ask("GET", "/v2/up/team/app/manifests/1")
    assert (reply.status, reply.codes) == (404, ["MANIFEST_UNKNOWN"])


def test_unknown_things_are_unknown(cache: RegistryServer, image: Built) -> None:
    for path, code in (
        ("team/app/manifests/2", "MANIFEST_UNKNOWN"),
        ("team/none/manifests/1", "MANIFEST_UNKNOWN"),
        (f"team/app/blobs/{OTHER['digest']}", "BLOB_UNKNOWN"),
        ("team/none/tags/list", "NAME_UNKNOWN"),
    ):
        reply = cache.ask("GET", f"/v2/up/{path}")
        assert (reply.status, reply.codes) == (404, [code])
    assert cache.ask("GET", "/v2/elsewhere/app/manifests/1").status == 404


def test_head_fetches_nothing(cache: RegistryServer, upstream: Registry, image: Built) -> None:
    reply = cache.ask("HEAD", f"/v2/up/team/app/blobs/{digest_of(LAYER)}")
    assert (reply.status, reply.headers["content-length"]) == (200, str(len(LAYER)))
    assert upstream.sent == 0
    assert cache.ask("HEAD", f"/v2/up/team/app/blobs/{OTHER['digest']}").status == 404


def test_nobody_pushes_into_a_cache(cache: RegistryServer, image: Built) -> None:
    assert cache.ask("POST", "/v2/up/team/app/blobs/uploads/").status == 405
    reply = cache.ask("PUT", "/v2/up/team/app/manifests/1", image.manifest)
    assert (reply.status, reply.codes) == (405, ["UNSUPPORTED"])
    cache.push_image("own/app", "1")


def test_a_crowd_shares_one_download(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    path = f"blobs/{digest_of(LAYER)}"
    gate = threading.Event()

    def wait(handler: Handler) -> bool:
        if handler.command == "GET" and handler.path.endswith(path):
            gate.wait(10)
        return False

    upstream.rules.append(wait)
    with ThreadPoolExecutor(16) as pool:
        crowd = [pool.submit(cache.ask, "GET", f"/v2/up/team/app/{path}") for _ in range(16)]
        gate.set()
        assert all(one.result().body == LAYER for one in crowd)
    assert upstream.paths().count(f"/v2/team/app/{path}") == 1


def test_a_download_that_breaks_off_goes_on_from_there(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    breaks = iter([True, True])

    def break_off(handler: Handler) -> bool:
        if "/blobs/" not in handler.path or not next(breaks, False):
            return False
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(LAYER) - start))
        if start:
            span = f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}"
            handler.send_header("Content-Range", span)
        handler.end_headers()
        handler.wfile.write(LAYER[start : start + (1 << 20)])
        handler.hang_up()
        return True

    upstream.rules.append(break_off)
    reply = cache.ask("GET", f"/v2/up/team/app/blobs/{digest_of(LAYER)}")
    assert reply.body == LAYER
    ranges = [one.headers.get("range", "") for one in upstream.requests if "/blobs/" in one.path]
    assert ranges == ["", f"bytes={1 << 20}-", f"bytes={2 << 20}-"]


def test_what_refers_to_an_image_comes_along(tmp_path: Path) -> None:
    with RegistryServer(tmp_path / "up") as upstream:
        subject = upstream.push_image("app", "1")
        data = upstream.ask("GET", "/v2/app/manifests/1").body
        entry = descriptor(data, "application/vnd.oci.image.manifest.v1+json")
        config = b'{"name": "app", "tag": "1"}'
        signature = manifest(config, subject=entry, artifactType="app/sig")
        digest = upstream.push_manifest("app", signature)
        (tmp_path / "config.yml").write_text(
            "wharfie:\n  upstreams:\n  - {prefix: up, ttl: 0s, "
            f"remoteurl: 'http://127.0.0.1:{upstream.port}'}}\n"
        )
        settings = load(str(tmp_path / "config.yml"), environment={})
        with RegistryServer(tmp_path / "down", settings) as cache:

            def listed() -> list[str]:
                reply = cache.ask("GET", f"/v2/up/app/referrers/{subject}")
                assert reply.status == 200
                return [one["digest"] for one in reply.json["manifests"]]

            assert listed() == [digest]
            assert cache.ask("GET", f"/v2/up/app/manifests/{digest}").status == 200
            upstream.run(upstream.registry.close())
            assert listed() == [digest]


def test_referrers_under_a_tag_come_along(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    kind = "application/vnd.oci.image.manifest.v1+json"
    entry = {"mediaType": kind, "digest": image.digest, "size": len(image.manifest)}
    signature = json.dumps(manifest(b"{}", subject=entry, artifactType="app/sig")).encode()
    upstream.put_manifest("team/app", "", kind, signature)
    listed = {"mediaType": kind, "digest": digest_of(signature), "size": len(signature)}
    upstream.add_index("team/app", image.digest.replace(":", "-"), [listed, {**listed, **OTHER}])
    reply = cache.ask("GET", f"/v2/up/team/app/referrers/{image.digest}")
    assert [one["digest"] for one in reply.json["manifests"]] == [digest_of(signature)]
    assert cache.ask("GET", f"/v2/up/team/app/referrers/{OTHER['digest']}").json["manifests"] == []


# Poisoning


def lie(body: bytes, part: str) -> Callable[[Handler], bool]:
    def rule(handler: Handler) -> bool:
        if part not in handler.path:
            return False
        handler.answer(200, body, {"Docker-Content-Digest": digest_of(LAYER)})
        return True

    return rule


@pytest.mark.parametrize(
    "body", [b"evil" * (1 << 18), LAYER[:-1] + b"!", LAYER + b"!", LAYER[:-1], b"", b"x" * 600]
)
def test_bytes_of_another_digest_reach_nobody_whole(
    cache: RegistryServer, upstream: Registry, image: Built, body: bytes
) -> None:
    path = f"/v2/up/team/app/blobs/{digest_of(LAYER)}"
    upstream.rules.append(lie(body, "/blobs/"))
    try:
        reply = cache.ask("GET", path)
    except http.client.IncompleteRead as error:
        reached = len(error.partial)
    else:
        assert (reply.status, reply.codes) == (503, ["UNAVAILABLE"])
        reached = 0
    assert reached < max(1, len(body))
    assert not cache.blob_file(digest_of(LAYER)).exists()
    assert not cache.blob_file(digest_of(body)).exists()
    upstream.rules.clear()
    assert cache.ask("GET", path).body == LAYER


def test_a_manifest_of_another_digest_is_not_kept(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    evil = image.manifest.replace(b'"schemaVersion"', b' "schemaVersion"')
    upstream.rules.append(lie(evil, "/manifests/"))
    path = f"/v2/up/team/app/manifests/{image.digest}"
    for _ in range(2):
        assert cache.ask("GET", path).status == 503
    # By tag it announces one digest and sends another.
    assert cache.ask("GET", "/v2/up/team/app/manifests/1").status == 503
    upstream.rules.clear()
    assert cache.ask("GET", path).body == image.manifest


def test_a_crowd_that_was_lied_to_has_nothing(
    cache: RegistryServer, upstream: Registry, image: Built
) -> None:
    upstream.rules.append(lie(LAYER[:-1] + b"!", "/blobs/"))

    def get() -> bytes:
        try:
            reply = cache.ask("GET", f"/v2/up/team/app/blobs/{digest_of(LAYER)}")
        except http.client.IncompleteRead:
            return b""
        assert reply.status == 503
        return b""

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: get(), range(8))) == {b""}


# Credentials


def asked_with(registry: Registry) -> set[str]:
    return {one.headers.get("authorization", "") for one in registry.requests}


def test_credentials_stay_with_their_upstream(tmp_path: Path) -> None:
    with (
        Registry(user="first:secret-1") as first,
        Registry(user="second:secret-2", auth="bearer") as second,
        Registry() as third,
    ):
        built = [one.add_image("app", "1", [], blobs=[LAYER]) for one in (first, second, third)]
        config = configure(
            tmp_path,
            upstream_of(first, "a", username="first", password="secret-1"),
            upstream_of(second, "a/b", username="second", password="secret-2"),
            upstream_of(third, "c"),
        )
        mine = {"Authorization": "Basic " + base64.b64encode(b"me:mine").decode()}
        with RegistryServer(tmp_path / "root", config) as cache:
            for name, one in zip(("a/app", "a/b/app", "c/app"), built, strict=True):
                pull(cache, one, name, **mine, Cookie="session=mine")
        pairs = [
            base64.b64encode(text).decode() for text in (b"first:secret-1", b"second:secret-2")
        ]
        assert asked_with(first) == {"", f"Basic {pairs[0]}"}
        assert f"Basic {pairs[1]}" in asked_with(second)
        assert not any(pairs[0] in text or "bWU6" in text for text in asked_with(second))
        assert asked_with(third) == {""}
        assert not any("cookie" in one.headers for one in third.requests)


ACCESS = """
auth:
  htpasswd:
    path: HTPASSWD
"""
RULES = """
  access:
    rules:
    - users: [anonymous]
      repositories: ["up/**"]
    - users: ["*"]
      repositories: ["own/**"]
      actions: [pull, push]
"""


def test_what_only_the_credentials_show_is_for_the_listed_users(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"alice:{hashed}\nbob:{hashed}\n")
    with Registry(user="robot:key") as upstream:
        private = upstream.add_image("private/app", "1", [], blobs=[LAYER])
        public = upstream.add_image("public/app", "1", [], blobs=[b"public"])
        upstream.rules.append(lambda handler: show_public(upstream, handler))
        options = {"username": "robot", "password": "key", "users": "[alice]"}
        text = ACCESS.replace("HTPASSWD", str(tmp_path / "htpasswd"))
        config = configure(tmp_path, upstream_of(upstream, **options) + RULES, more=text)
        with RegistryServer(tmp_path / "root", config) as cache:
            alice, bob = ({"Authorization": basic(name)} for name in ("alice", "bob"))
            for who in (bob, {}):
                refused(cache, private, who)
            pull(cache, private, "up/private/app", **alice)
            names = cache.ask("GET", "/v2/_catalog", **alice).json["repositories"]
            assert names == ["up/private/app"]
            assert cache.ask("GET", "/ui/up/private/app:1", **alice).status == 200
            for who in (bob, {}):  # it is here now, and still not theirs
                refused(cache, private, who)
                assert cache.ask("GET", "/v2/_catalog", **who).json["repositories"] == []
                for path in ("", ":1", f"@{private.digest}"):
                    reply = cache.ask("GET", f"/ui/up/private/app{path}", **who)
                    assert (reply.status, private.digest in reply.body.decode()) == (403, False)
                query = f"mount={digest_of(LAYER)}&from=up/private/app"
                reply = cache.ask("POST", f"/v2/own/app/blobs/uploads/?{query}", **who)
                assert reply.status == (202 if who else 401)
                pull(cache, public, "up/public/app", **who)
            stop(upstream)
            refused(cache, private, bob)
            pull(cache, private, "up/private/app", **alice)
            pull(cache, public, "up/public/app", **bob)


def basic(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()


def show_public(upstream: Registry, handler: Handler) -> bool:
    """Everybody may see what is public."""
    if not handler.path.startswith("/v2/public/"):
        return False
    user, upstream.user = upstream.user, ""
    try:
        upstream.answer(handler)
    finally:
        upstream.user = user
    return True


def refused(cache: RegistryServer, built: Built, who: dict[str, str]) -> None:
    paths = [f"manifests/{built.digest}", "manifests/1", "tags/list"]
    paths += [f"blobs/{digest_of(blob)}" for blob in built.blobs]
    for path in paths:
        for method in ("GET", "HEAD"):
            reply: Answer = cache.ask(method, f"/v2/up/private/app/{path}", **who)
            assert reply.status in (401, 404, 503), (path, reply)
            assert LAYER[:100] not in reply.body


def test_a_refusal_is_not_kept_as_if_it_were_content(tmp_path: Path) -> None:
    with Registry(user="robot:key") as upstream:
        built = upstream.add_image("app", "1", [], blobs=[LAYER])
        config = configure(tmp_path, upstream_of(upstream))
        with RegistryServer(tmp_path / "root", config) as cache:
            assert cache.ask("GET", "/v2/up/app/manifests/1").status == 404
            assert cache.ask("GET", f"/v2/up/app/blobs/{digest_of(LAYER)}").status == 404
            upstream.user = ""
            pull(cache, built, "up/app")


# Where an upstream may lead: users.md C4, CVE-2020-15157.


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://10.255.255.1/x",
        "file:///etc/passwd", "http://user@127.0.0.1/", "gopher://127.0.0.1/", "http://0.0.0.0/",
    ],
)  # fmt: skip
def test_an_upstream_does_not_lead_elsewhere(
    tmp_path: Path, upstream: Registry, image: Built, location: str
) -> None:
    def redirect(handler: Handler) -> bool:
        if "/blobs/" in handler.path or "/manifests/" in handler.path:
            handler.answer(307, b"", {"Location": location})
            return True
        return False

    config = configure(tmp_path, upstream_of(upstream, username="robot", password="key"))
    with RegistryServer(tmp_path / "root", config) as cache:
        upstream.rules.append(redirect)
        for path in ("manifests/1", f"blobs/{digest_of(LAYER)}"):
            assert cache.ask("GET", f"/v2/up/team/app/{path}").status == 503
        upstream.rules.clear()
        pull(cache, image)


@pytest.mark.parametrize(
    "realm", ["http://169.254.169.254/token", "http://10.255.255.1/token", "file:///etc/shadow"]
)
def test_an_upstream_does_not_send_the_password_elsewhere(tmp_path: Path, realm: str) -> None:
    with Registry(user="robot:key", auth="bearer") as upstream:
        built = upstream.add_image("app", "1", [], blobs=[LAYER])
        config = configure(tmp_path, upstream_of(upstream, username="robot", password="key"))
        with RegistryServer(tmp_path / "root", config) as cache:
            upstream.realm = realm
            assert cache.ask("GET", "/v2/up/app/manifests/1").status == 503
            upstream.realm = ""
            pull(cache, built, "up/app")


def test_a_redirect_carries_no_credentials(tmp_path: Path) -> None:
    with Registry(user="robot:key") as upstream, Registry() as storage:
        upstream.add_image("app", "1", [], blobs=[LAYER])
        storage.add_image("app", "1", [], blobs=[LAYER])

        def redirect(handler: Handler) -> bool:
            if "/blobs/" in handler.path and handler.headers.get("Authorization"):
                target = f"http://{storage.host}{handler.path}"
                handler.answer(307, b"", {"Location": target})
                return True
            return False

        upstream.rules.append(redirect)
        config = configure(tmp_path, upstream_of(upstream, username="robot", password="key"))
        with RegistryServer(tmp_path / "root", config) as cache:
            reply = cache.ask("GET", f"/v2/up/app/blobs/{digest_of(LAYER)}")
            assert reply.body == LAYER
        assert asked_with(storage) == {""}
