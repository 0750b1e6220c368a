"""Registries that lie: each is refused with a word about what is wrong, and leaves nothing.

Every attack has its twin, the same thing done honestly, in `test_pulling_images.py` or here.
Source: issue 5, "Must hold" 2; users.md C1, C4, C5.
"""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import json
import random
import re
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from support.image_archives import descriptor, tar
from support.registry import Built, Handler, Registry, Rule, digest_of
from support.registry_engine import Engine
from wharfie.formats.oci.descriptor import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)
from wharfie.model.errors import EngineError
from wharfie.model.registry import (
    AccessRefused,
    Credentials,
    RegistryMisbehaves,
    RegistryUnreachable,
)
from wharfie.pki.directory import Terms, create
from wharfie.pki.names import parse_hosts
from wharfie.registry.client.reach import reach_of
from wharfie.registry.client.settings import RegistrySettings
from wharfie.web.client import Dialer

LAYER = tar({"a": random.Random(3).randbytes(300_000)})
BLOB = gzip.compress(LAYER, 1, mtime=0)
JOE = Credentials(username="joe", password="secret")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path, attempts=3, stall=5.0)
    yield engine
    await engine.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.fixture
def app(registry: Registry) -> Built:
    return registry.add_image("app", "1", [LAYER], blobs=[BLOB])


async def refused(engine: Engine, registry: Registry, **options: object) -> str:
    """The words of a refused pull, after which nothing is left."""
    with pytest.raises(EngineError) as caught:
        async with asyncio.timeout(30):
            await engine.pull(f"{registry.host}/app:1", **options)
    assert engine.left() == []
    assert engine.images.count == 0
    return str(caught.value)


def on(part: str, answer: Callable[[Handler], None]) -> Rule:
    """Answer requests whose path holds `part`."""

    def rule(handler: Handler) -> bool:
        if part in handler.path:
            answer(handler)
            return True
        return False

    return rule


# --- bytes


async def test_other_bytes_of_the_same_length(
    engine: Engine, registry: Registry, app: Built
) -> None:
    wrong = bytes(reversed(BLOB))
    registry.rules.append(on(f"blobs/{digest_of(BLOB)}", lambda h: h.answer(200, wrong)))
    text = await refused(engine, registry)
    assert f"verification failed for digest {digest_of(BLOB)}" in text


async def test_a_whole_other_layer(engine: Engine, registry: Registry) -> None:
    """A good archive that is not what the config announces: the digest agrees, the diff ID not."""
    other = gzip.compress(tar({"evil": b"1"}))
    registry.add_image("app", "1", [LAYER], blobs=[other])
    assert "invalid diffID for layer 0" in await refused(engine, registry)


async def test_noise_in_the_place_of_a_layer(engine: Engine, registry: Registry) -> None:
    registry.add_image("app", "1", [LAYER], blobs=[random.Random(4).randbytes(50_000)])
    await refused(engine, registry)


async def test_a_wrong_config(engine: Engine, registry: Registry, app: Built) -> None:
    size = len(app.config)
    registry.rules.append(on(f"blobs/{app.id}", lambda h: h.answer(200, b"{" * size)))
    assert f"verification failed for digest {app.id}" in await refused(engine, registry)


async def test_a_wrong_manifest_by_digest(engine: Engine, registry: Registry, app: Built) -> None:
    other = registry.add_image("other", "1", [tar({"x": b""})])
    fields = {"Content-Type": OCI_MANIFEST}
    registry.rules.append(on("manifests/", lambda h: h.answer(200, other.manifest, fields)))
    with pytest.raises(RegistryMisbehaves, match="manifest verification failed"):
        await engine.pull(f"{registry.host}/app@{app.digest}")
    assert engine.left() == []


async def test_a_manifest_that_contradicts_its_digest_header(
    engine: Engine, registry: Registry, app: Built
) -> None:
    fields = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest_of(b"other")}
    registry.rules.append(on("manifests/", lambda h: h.answer(200, app.manifest, fields)))
    assert "manifest verification failed" in await refused(engine, registry)


# --- lengths


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    for _ in range(20_000):
        handler.wfile.write(chunk)


@pytest.mark.parametrize("part", ["manifests/", "blobs/"])
async def test_an_endless_body(engine: Engine, registry: Registry, app: Built, part: str) -> None:
    registry.rules.append(on(part, endless))
    assert re.search("more than|more bytes|sends more", await refused(engine, registry))


async def test_an_endless_head(engine: Engine, registry: Registry, app: Built) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(200_000):
            handler.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 100))

    registry.rules.append(on("manifests/", answer))
    assert "endless reply head" in await refused(engine, registry)


@pytest.mark.parametrize("change", [-1, 1, 1 << 40])
async def test_a_layer_of_another_length(
    engine: Engine, registry: Registry, app: Built, change: int
) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BLOB) + change))
        handler.end_headers()
        handler.wfile.write(BLOB)
        handler.hang_up()

    registry.rules.append(on(f"blobs/{digest_of(BLOB)}", answer))
    assert f"announces {len(BLOB)} bytes and sends" in await refused(engine, registry)


async def test_a_chunked_layer_that_ends_early(
    engine: Engine, registry: Registry, app: Built
) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    registry.rules.append(on(f"blobs/{digest_of(BLOB)}", answer))
    assert f"announces {len(BLOB)} bytes and sends 5" in await refused(engine, registry)


async def test_a_manifest_that_announces_more_than_any_disk_holds(
    engine: Engine, registry: Registry
) -> None:
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest_of(LAYER)]}}).encode()
    layer = {**descriptor(OCI_LAYER_GZIP, BLOB), "size": 1 << 60}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, config),
        "layers": [layer],
    }
    registry.put_manifest("app", "1", OCI_MANIFEST, json.dumps(manifest).encode())
    assert "bytes of layers" in await refused(engine, registry)


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-10/11", "bytes 5-9/*", "bytes 0-4/5", "lines 1-2/3", "", "bytes 0-99999999/1"],
)
async def test_another_range_than_asked_for(
    engine: Engine, registry: Registry, content_range: str
) -> None:
    layer = tar({"big": random.Random(5).randbytes(9 << 20)})
    blob = gzip.compress(layer, 0)
    registry.add_image("app", "1", [layer], blobs=[blob])

    def answer(handler: Handler) -> None:
        handler.answer(206, b"12345", {"Content-Range": content_range})

    registry.rules.append(on(f"blobs/{digest_of(blob)}", answer))
    assert "was asked for bytes" in await refused(engine, registry)


# --- kinds


@pytest.mark.parametrize(
    "kind",
    [
        OCI_INDEX,
        "text/html",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ],
)
async def test_another_media_type_than_the_documents(
    engine: Engine, registry: Registry, app: Built, kind: str
) -> None:
    registry.put_manifest("app", "1", kind, app.manifest)
    assert re.search("announced as|not supported|unsupported", await refused(engine, registry))


async def test_a_document_that_is_manifest_and_index_at_once(
    engine: Engine, registry: Registry, app: Built
) -> None:
    document = {**json.loads(app.manifest), "manifests": []}
    registry.put_manifest("app", "1", OCI_MANIFEST, json.dumps(document).encode())
    assert "ambiguous manifest" in await refused(engine, registry)


async def test_an_index_that_announces_another_kind_or_size(
    engine: Engine, registry: Registry, app: Built
) -> None:
    entry = descriptor(OCI_MANIFEST, app.manifest)
    entry["platform"] = {"os": "linux", "architecture": "amd64"}
    registry.add_index("app", "1", [{**entry, "size": 7}])
    assert "the index announces 7" in await refused(engine, registry)
    registry.add_index("app", "1", [{**entry, "mediaType": OCI_INDEX}])
    assert "is announced as" in await refused(engine, registry)


async def test_indexes_within_indexes(engine: Engine, registry: Registry, app: Built) -> None:
    inner = app.manifest
    kind = OCI_MANIFEST
    for _ in range(10):
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(kind, inner)]}
        inner, kind = json.dumps(index).encode(), OCI_INDEX
        registry.put_manifest("app", "1", kind, inner)
    assert "nested too deeply" in await refused(engine, registry)


async def test_layers_that_lie_somewhere_else(
    engine: Engine, registry: Registry, app: Built
) -> None:
    """CVE-2020-15157: nothing is fetched from where a manifest says, so no secret goes there."""
    document = json.loads(app.manifest)
    document["layers"][0]["urls"] = ["http://169.254.169.254/latest"]
    registry.put_manifest("app", "1", OCI_MANIFEST, json.dumps(document).encode())
    assert "foreign layers are not supported" in await refused(engine, registry)


# --- ways


def redirect(location: str, status: int = 307) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(status, b"", {"Location": location})


async def test_redirects_in_a_loop(engine: Engine, registry: Registry, app: Built) -> None:
    def answer(handler: Handler) -> None:
        number = int(handler.path.rpartition("=")[2] or 0) if "=" in handler.path else 0
        redirect(f"{handler.path.partition('?')[0]}?n={number + 1}")(handler)

    registry.rules.append(on("blobs/", answer))
    assert "redirects in a loop" in await refused(engine, registry)
    assert len(registry.requests) < 20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_registrys_own_storage_is_followed(
    engine: Engine, registry: Registry, app: Built, status: int
) -> None:
    """The twin of those below: a storage on the same host, without the user's credentials."""
    with Registry() as storage:
        storage.add_image("app", "1", [LAYER], blobs=[BLOB])
        where = f"http://{storage.host}/v2/app/blobs/{digest_of(BLOB)}"
        registry.rules.append(on(f"blobs/{digest_of(BLOB)}", redirect(where, status)))
        registry.user = "joe:secret"
        await engine.pull(f"{registry.host}/app:1", credentials=JOE)
        assert storage.requests
        assert all("authorization" not in asked.headers for asked in storage.requests)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://192.168.0.1:8080/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0:1/",
        "http://metadata.internal/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://joe:secret@127.0.0.1/",
        "http://127.0.0.1:0/",
        "gopher://x",
    ],
)
async def test_redirects_to_where_nothing_is_followed(
    tmp_path: Path, registry: Registry, app: Built, location: str
) -> None:
    def resolve(host: str, port: int) -> list[str]:
        assert host == "metadata.internal"
        return ["169.254.169.254"]

    engine = Engine(tmp_path, dialer=Dialer(resolve=resolve, timeout=3), attempts=2)
    registry.rules.append(on("blobs/", redirect(location)))
    text = await refused(engine, registry)
    assert re.search("address: refused|leads to a URL that is refused", text)
    await engine.close()


async def test_a_name_that_changes_its_mind_is_not_asked_twice(
    tmp_path: Path, registry: Registry, app: Built
) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if asked.count(host) == 1 else ["169.254.169.254"]

    engine = Engine(tmp_path, dialer=Dialer(resolve=resolve, timeout=3), attempts=1)
    with Registry() as storage:
        storage.add_image("app", "1", [LAYER], blobs=[BLOB])
        where = f"http://storage.test:{storage.port}/v2/app/blobs/"
        registry.rules.append(on(digest_of(BLOB), redirect(where + digest_of(BLOB))))
        await engine.pull(f"{registry.host}/app:1")
    assert asked == ["storage.test"]
    await engine.close()


def test_what_a_registry_may_lead_to() -> None:
    settings = RegistrySettings(trusted_hosts=["10.9.0.0/16", "auth.corp"])
    kinds = {
        "public": "8.8.8.8",
        "private": "10.0.0.1",
        "loopback": "127.0.0.1",
        "special": "169.254.169.254",
    }
    allowed = {
        "8.8.4.4": {"public"},
        "10.3.3.3": {"public", "private"},
        "127.0.0.1": {"public", "loopback"},
        "169.254.1.1": {"public"},
    }
    for home, expected in allowed.items():
        reach = reach_of("r", [home], settings)
        for name, address in kinds.items():
            if name in expected:
                reach("h", ipaddress.ip_address(address))
            else:
                with pytest.raises(RegistryMisbehaves, match="registry-trusted-hosts"):
                    reach("h", ipaddress.ip_address(address))
        reach("h", ipaddress.ip_address("10.9.1.1"))
        reach("auth.corp", ipaddress.ip_address("169.254.169.254"))


# --- credentials


@pytest.mark.parametrize(
    "realm",
    [
        "http://169.254.169.254/token",
        "http://10.0.0.1/token",
        "file:///etc/passwd",
        "http://joe@127.0.0.1/",
        "",
    ],
)
async def test_realms_to_which_no_password_goes(tmp_path: Path, realm: str) -> None:
    engine = Engine(tmp_path, attempts=1)
    with Registry(user="joe:secret", auth="bearer") as registry:
        registry.add_image("app", "1", [LAYER])
        challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
        registry.rules.append(on("/v2/", lambda h: h.answer(401, b"", challenge)))
        text = await refused(engine, registry, credentials=JOE)
    assert re.search("address: refused|that is refused|names no realm", text)
    await engine.close()


async def test_a_realm_without_tls_of_a_registry_with_it(
    tmp_path: Path, tls_registry: Registry
) -> None:
    engine = Engine(tmp_path, attempts=1)
    tls_registry.user, tls_registry.auth = "joe:secret", "bearer"
    with Registry(user="joe:secret") as realm:
        tls_registry.realm = f"http://{realm.host}/token"
        text = await refused(engine, tls_registry, credentials=JOE)
        assert "without TLS" in text
        assert not realm.requests
        tls_registry.realm = ""
        await engine.pull(f"{tls_registry.host}/app:1", credentials=JOE)
    await engine.close()


async def test_a_redirect_from_tls_to_none(tmp_path: Path, tls_registry: Registry) -> None:
    engine = Engine(tmp_path, attempts=1)
    with Registry() as plain:
        plain.add_image("app", "1", [LAYER], blobs=[BLOB])
        where = f"http://{plain.host}/v2/app/blobs/{digest_of(BLOB)}"
        tls_registry.rules.append(on(digest_of(BLOB), redirect(where)))
        assert "leads from https to http" in await refused(engine, tls_registry)
        assert not plain.requests
    await engine.close()


async def test_a_certificate_nobody_vouches_for(tmp_path: Path, tls_registry: Registry) -> None:
    """A registry that is not insecure by its address or by the operator is verified, always."""

    def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    engine = Engine(tmp_path, dialer=_NotLoopback(resolve=resolve), attempts=1)
    with pytest.raises(RegistryUnreachable, match="failed to verify certificate"):
        await engine.pull(f"registry.test:{tls_registry.port}/app:1")
    assert not tls_registry.requests
    await engine.close()


class _NotLoopback(Dialer):
    """Connects to loopback while the name looks up to a public address."""

    async def addresses(self, host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    async def _open(self, url, address, tls):  # type: ignore[no-untyped-def]
        return await super()._open(url, "127.0.0.1", tls)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    terms = Terms(now=datetime.datetime.now(datetime.UTC), days=2)
    hosts = parse_hosts(["127.0.0.1", "registry.test"])
    create(folder, hosts, terms=terms, ca_name="test", client_name="client")
    return folder


@pytest.fixture
def tls_registry(certificate: Path) -> Iterator[Registry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "server-cert.pem", certificate / "server-key.pem")
    with Registry(context=context) as registry:
        registry.add_image("app", "1", [LAYER], blobs=[BLOB])
        yield registry


async def test_a_ca_in_certs_d_vouches(
    tmp_path: Path, tls_registry: Registry, certificate: Path
) -> None:
    name = f"registry.test:{tls_registry.port}"
    (tmp_path / "certs.d" / name).mkdir(parents=True)
    (tmp_path / "certs.d" / name / "ca.crt").write_bytes((certificate / "ca.pem").read_bytes())
    engine = Engine(
        tmp_path / "engine", dialer=_NotLoopback(), certs=[str(tmp_path / "certs.d")], attempts=1
    )
    await engine.pull(f"{name}/app:1")
    assert engine.images.count == 1
    await engine.close()


async def test_wrong_credentials_are_not_repeated_in_errors(tmp_path: Path) -> None:
    engine = Engine(tmp_path, attempts=1)
    for auth in ("basic", "bearer"):
        with Registry(user="joe:other", auth=auth) as registry:
            registry.add_image("app", "1", [LAYER])
            with pytest.raises(AccessRefused) as caught:
                await engine.pull(f"{registry.host}/app:1", credentials=JOE)
            assert "secret" not in str(caught.value)
    assert "secret" not in repr(JOE)
    await engine.close()


async def test_a_registry_that_falls_silent(tmp_path: Path, registry: Registry, app: Built) -> None:
    engine = Engine(tmp_path, attempts=2, stall=0.2)
    over = threading.Event()

    def answer(handler: Handler) -> None:
        over.wait(10)
        handler.hang_up()

    registry.rules.append(on("manifests/", answer))
    with pytest.raises(RegistryUnreachable, match="i/o timeout"):
        await engine.pull(f"{registry.host}/app:1")
    over.set()
    await engine.close()
