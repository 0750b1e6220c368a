"""A registry with accounts, tokens, rules, TLS: what goes, and attacks that do not (group G)."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from support.http_certs import certificates
from support.registry_events import DIGEST
from support.registry_server import RegistryServer, digest_of, manifest, with_digest
from support.token_server import claims, jwk_of, pem_of, sign_ec, sign_hmac, unsigned
from wharfie.formats.reference import parse_reference
from wharfie.model.registry import Credentials
from wharfie.pki import client_context
from wharfie.pki.certificates import Identity
from wharfie.pki.directory import Terms, create
from wharfie.pki.keys import decode_key
from wharfie.pki.names import parse_hosts
from wharfie.pki.revoking import write_list
from wharfie.registry.client import RegistrySettings, RemoteRegistries
from wharfie.registry.config import Config, load

RULES = """
wharfie:
  access:
    rules:
    - users: [anonymous]
      repositories: ["public/**"]
    - users: [alice]
      repositories: ["**"]
      actions: [pull, push, delete]
    - users: [bob]
      repositories: ["team/**"]
      actions: [pull]
    limits:
      failures: 1000
"""


@dataclass
class World:
    registry: RegistryServer

    def ask(self, method: str, path: str, who: str = "", body: bytes | None = None, **headers: str):
        if who.startswith("Bearer"):
            headers["Authorization"] = who
        elif who:
            headers["Authorization"] = basic(who)
        return self.registry.ask(method, path, body, **headers)

    def push(self, name: str, who: str = "alice:secret") -> str:
        """An image with one layer; its digest."""
        config, layer = json.dumps({"n": name}).encode(), f"layer of {name}".encode()
        for blob in (config, layer):
            begun = self.ask("POST", f"/v2/{name}/blobs/uploads/", who)
            assert begun.status == 202, begun
            place = with_digest(begun.headers["location"], digest_of(blob))
            assert self.ask("PUT", place, who, blob).status == 201
        data = json.dumps(manifest(config, layer)).encode()
        kind = "application/vnd.oci.image.manifest.v1+json"
        path = f"/v2/{name}/manifests/latest"
        assert self.ask("PUT", path, who, data, Content_Type=kind).status == 201
        return digest_of(data)

    def token(self, who: str = "", **query: str | list[str]) -> str:
        reply = self.ask("GET", "/auth/token?" + urlencode(query, doseq=True), who)
        assert reply.status == 200, reply
        return "Bearer " + reply.json["token"]


def basic(who: str) -> str:
    return "Basic " + base64.b64encode(who.encode()).decode()


def configure(folder: Path, text: str) -> Config:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"alice:{hashed}\nbob:{hashed}\n")
    (folder / "config.yml").write_text(text.replace("HTPASSWD", str(folder / "htpasswd")))
    return load(str(folder / "config.yml"), environment={})


AUTH = "auth:\n  htpasswd:\n    path: HTPASSWD\nstorage:\n  delete:\n    enabled: true\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("access")
    with RegistryServer(folder / "root", configure(folder, AUTH + RULES)) as registry:
        found = World(registry)
        for name in ("public/a", "team/app", "secret/x"):
            found.push(name)
        yield found


def test_the_base_asks_for_a_token(world: World) -> None:
    reply = world.ask("GET", "/v2/")
    assert (reply.status, reply.codes) == (401, ["UNAUTHORIZED"])
    realm = f"http://127.0.0.1:{world.registry.port}/auth/token"
    assert reply.headers["www-authenticate"] == (
        f'Bearer realm="{realm}",service="wharfie-registry"'
    )
    assert world.ask("GET", "/v2/", "alice:secret").status == 200
    assert world.ask("GET", "/v2/", world.token()).status == 200


# G2, CVE-2026-27771: nothing private is read without a right to it.
def private_paths(world: World) -> list[tuple[str, str]]:
    found = world.ask("GET", "/v2/secret/x/manifests/latest", "alice:secret")
    digest, layer = found.headers["docker-content-digest"], found.json["layers"][0]["digest"]
    return [
        ("GET", "/v2/secret/x/manifests/latest"), ("HEAD", "/v2/secret/x/manifests/latest"),
        ("GET", f"/v2/secret/x/manifests/{digest}"), ("GET", f"/v2/secret/x/blobs/{layer}"),
        ("HEAD", f"/v2/secret/x/blobs/{layer}"), ("GET", "/v2/secret/x/tags/list"),
        ("GET", f"/v2/secret/x/referrers/{digest}"), ("POST", "/v2/secret/x/blobs/uploads/"),
        ("PUT", "/v2/secret/x/manifests/latest"), ("DELETE", f"/v2/secret/x/manifests/{digest}"),
        ("DELETE", "/v2/secret/x/manifests/latest"), ("DELETE", f"/v2/secret/x/blobs/{layer}"),
        ("GET", "/v2//secret/x/manifests/latest"), ("GET", "/v2/public/../secret/x/tags/list"),
        ("GET", "/v2/public%2f..%2fsecret/x/tags/list"), ("GET", "/v2/%73ecret/x/tags/list"),
    ]  # fmt: skip


@pytest.mark.parametrize("who", ["", "bob:secret", "token", "mallory:x"])
def test_nothing_private_is_read(world: World, who: str) -> None:
    if who == "token":
        who = world.token("bob:secret", scope="repository:secret/x:pull,push,delete")
    for method, path in private_paths(world):
        reply = world.ask(method, path, who, Range="bytes=0-1")
        assert reply.status in (400, 401, 403, 404), (method, path, reply)
        assert b"layer of" not in reply.body
    # A blob of a private repository does not come out of a public one either.
    layer = digest_of(b"layer of secret/x")
    assert world.ask("GET", f"/v2/public/a/blobs/{layer}", who).status in (401, 404)


def test_whoever_may_reads_it(world: World) -> None:
    for method, path in private_paths(world)[:7]:
        reply = world.ask(method, path, "alice:secret")
        assert reply.status == 200, (method, path, reply)
    assert world.ask("GET", "/v2/public/a/manifests/latest").status == 200
    assert world.ask("GET", "/v2/team/app/manifests/latest", "bob:secret").status == 200


def test_who_is_known_and_may_not_is_denied(world: World) -> None:
    reply = world.ask("GET", "/v2/secret/x/tags/list", "bob:secret")
    assert (reply.status, reply.codes) == (403, ["DENIED"])
    reply = world.ask("POST", "/v2/team/app/blobs/uploads/", "bob:secret")
    assert (reply.status, reply.codes) == (403, ["DENIED"])


def test_a_mount_from_where_one_may_not_read_is_an_upload(world: World) -> None:
    layer = digest_of(b"layer of secret/x")
    query = urlencode({"mount": layer, "from": "secret/x"})
    token = world.token("alice:secret", scope="repository:public/b:pull,push")
    reply = world.ask("POST", f"/v2/public/b/blobs/uploads/?{query}", token)
    assert reply.status == 202
    assert world.ask("HEAD", f"/v2/public/b/blobs/{layer}", "alice:secret").status == 404
    reply = world.ask("POST", f"/v2/public/b/blobs/uploads/?{query}", "alice:secret")
    assert reply.status == 201


def test_the_catalogue_holds_what_one_may_pull(world: World) -> None:
    def names(who: str) -> list[str]:
        return world.ask("GET", "/v2/_catalog", who).json["repositories"]

    assert "secret/x" in names("alice:secret")
    assert {"secret/x"} & set(names("bob:secret")) == set()
    assert "team/app" in names("bob:secret")
    assert names("") == [name for name in names("alice:secret") if name.startswith("public/")]


# G4: tokens for something else.
def test_a_token_opens_one_repository(world: World) -> None:
    token = world.token("alice:secret", scope="repository:team/app:pull")
    assert world.ask("GET", "/v2/team/app/manifests/latest", token).status == 200
    for method, path in (
        ("GET", "/v2/secret/x/manifests/latest"),
        ("DELETE", "/v2/team/app/manifests/latest"),
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/team/app/../../secret/x/tags/list"),
    ):
        reply = world.ask(method, path, token)
        assert reply.status in (400, 401, 404), (method, path, reply)


def test_forged_tokens_open_nothing(world: World) -> None:
    mallory = ec.generate_private_key(ec.SECP256R1())
    access = [{"type": "repository", "name": "secret/x", "actions": ["pull"]}]
    body = claims(
        iss="wharfie-registry", aud="wharfie-registry", access=access, exp=1e10, nbf=0, sub="alice"
    )
    genuine = world.token("alice:secret", scope="repository:secret/x:pull").split(" ")[1]
    head, payload, _ = genuine.split(".")
    for token in (
        unsigned(body),
        sign_ec(mallory, body),
        sign_ec(mallory, body, jwk=json.dumps(jwk_of(mallory.public_key()))),
        sign_hmac(pem_of(mallory.public_key()), body),
        f"{head}.{payload}.",
        genuine + "A",
    ):
        reply = world.ask("GET", "/v2/secret/x/manifests/latest", f"Bearer {token}")
        assert (reply.status, reply.codes) == (401, ["UNAUTHORIZED"])
    reply = world.ask("GET", "/v2/secret/x/manifests/latest", f"Bearer {genuine}")
    assert reply.status == 200


async def test_our_own_client_logs_in_and_reads(world: World) -> None:
    registries = RemoteRegistries(RegistrySettings(certs=()), agent="test")
    domain = f"127.0.0.1:{world.registry.port}"
    alice = Credentials(username="alice", password="secret", serveraddress=domain)
    try:
        login = await registries.login(alice)
        assert login.identity_token
        identified = Credentials(identitytoken=login.identity_token, serveraddress=domain)
        for credentials in (alice, identified):
            reference = parse_reference(f"{domain}/secret/x:latest")
            found = await registries.repository(reference, credentials).manifest("latest")
            assert json.loads(found.data)["schemaVersion"] == 2
        public = parse_reference(f"{domain}/public/a:latest")
        assert await registries.repository(public, Credentials()).tags() == ["latest"]
        with pytest.raises(Exception, match=r"incorrect username or password|unauthorized"):
            await registries.login(
                Credentials(username="alice", password="x", serveraddress=domain)
            )
    finally:
        await registries.close()


def test_accounts_alone_ask_for_a_password(tmp_path: Path) -> None:
    config = configure(tmp_path, AUTH)
    with RegistryServer(tmp_path / "root", config) as registry:
        world = World(registry)
        reply = world.ask("GET", "/v2/")
        assert reply.headers["www-authenticate"] == 'Basic realm="Registry"'
        world.push("a/b", "bob:secret")
        assert world.ask("GET", "/v2/a/b/tags/list").status == 401
        assert world.ask("GET", "/auth/token").status == 404
        assert world.ask("DELETE", f"/v2/a/b/blobs/{DIGEST}").status == 401


def test_deletion_that_is_off_is_off_for_everybody(tmp_path: Path) -> None:
    # G1, CVE-2026-41888.
    config = configure(tmp_path, AUTH.partition("storage")[0] + RULES)
    with RegistryServer(tmp_path / "root", config) as registry:
        world = World(registry)
        digest = world.push("team/app")
        for path in (f"manifests/{digest}", "manifests/latest", f"manifests/{digest}?x=1",
                     f"blobs/{digest_of(b'layer of team/app')}"):  # fmt: skip
            reply = world.ask("DELETE", f"/v2/team/app/{path}", "alice:secret")
            assert (reply.status, reply.codes) == (405, ["UNSUPPORTED"])
        assert world.ask("GET", "/v2/team/app/manifests/latest", "alice:secret").status == 200


def test_another_servers_tokens(tmp_path: Path) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    (tmp_path / "keys.pem").write_bytes(pem_of(key.public_key()))
    config = configure(
        tmp_path,
        "auth:\n  token:\n    realm: https://auth.example/token\n    service: reg\n"
        f"    issuer: auth\n    rootcertbundle: {tmp_path}/keys.pem\n",
    )
    everything = [{"type": "repository", "name": "a/b", "actions": ["pull", "push"]}]
    good = {"iss": "auth", "aud": "reg", "exp": 1e10, "nbf": 0, "access": everything}
    with RegistryServer(tmp_path / "root", config) as registry:
        world = World(registry)
        challenge = world.ask("GET", "/v2/a/b/tags/list").headers["www-authenticate"]
        assert challenge == (
            'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull"'
        )
        world.push("a/b", "Bearer " + sign_ec(key, claims(**good)))
        for token in (
            sign_ec(other, claims(**good)),
            sign_ec(key, claims(**{**good, "aud": "other"})),
            sign_ec(key, claims(**{**good, "iss": "other"})),
            sign_ec(key, claims(**{**good, "exp": 1.0})),
            sign_ec(key, claims(**{**good, "access": []})),
            unsigned(claims(**good)),
        ):
            assert world.ask("GET", "/v2/a/b/tags/list", f"Bearer {token}").status == 401
        assert world.ask("GET", "/v2/a/b/tags/list", "alice:secret").status == 401


def test_too_many_wrong_passwords_are_not_looked_at(tmp_path: Path) -> None:
    config = configure(tmp_path, AUTH + RULES.replace("1000", "5"))
    with RegistryServer(tmp_path / "root", config) as registry:
        world = World(registry)
        statuses = [world.ask("GET", "/v2/", f"alice:{n}").status for n in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        reply = world.ask("GET", "/auth/token", "alice:secret")
        assert (reply.status, reply.codes) == (429, ["TOOMANYREQUESTS"])
        assert int(reply.headers["retry-after"]) > 0
        assert world.ask("GET", "/v2/public/a/tags/list").status == 404  # nobody is not locked out


def test_requests_are_limited_for_each_client(tmp_path: Path) -> None:
    config = configure(
        tmp_path,
        "wharfie:\n  access:\n    limits:\n      requests: 0.01\n      burst: 3\n"
        "    trustedproxies: [127.0.0.0/8]\n",
    )
    with RegistryServer(tmp_path / "root", config) as registry:
        world = World(registry)
        assert [world.ask("GET", "/v2/").status for _ in range(5)] == [200, 200, 200, 429, 429]
        assert world.ask("GET", "/v2/", X_Forwarded_For="198.51.100.7").status == 200


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    folder = tmp_path_factory.mktemp("tls")
    files = certificates()
    config = configure(
        folder,
        f"http:\n  tls:\n    certificate: {files.directory}/server.pem\n"
        f"    key: {files.directory}/server.key\n    clientcas: [{files.ca}]\n"
        "    clientauth: verify-client-cert-if-given\n"
        "wharfie:\n  access:\n    rules:\n    - users: ['cert:alice']\n"
        "      repositories: ['**']\n      actions: [pull, push]\n",
    )
    with RegistryServer(folder / "root", config) as registry:
        yield registry


def over_tls(registry: RegistryServer, path: str, *, identify: bool) -> int:
    context = certificates().client_context(identify=identify)
    connection = http.client.HTTPSConnection(
        "localhost", registry.port, context=context, timeout=10
    )
    try:
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", registry.port)), server_hostname="localhost"
        )
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def name_of_server(registry: RegistryServer) -> str:
    context = certificates().client_context(identify=True)
    plain = socket.create_connection(("127.0.0.1", registry.port))
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        described = secured.getpeercert() or {}
    return dict(part[0] for part in described["subject"])["commonName"]


def test_a_certificate_is_who_one_is(secured: RegistryServer) -> None:
    path = "/v2/a/b/tags/list"
    assert over_tls(secured, path, identify=True) == 404  # allowed, and not there
    assert over_tls(secured, path, identify=False) == 403
    assert secured.ask("GET", "/v2/").status == 400  # plain HTTP


def test_certificates_are_read_again(tmp_path: Path) -> None:
    files = certificates()
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_bytes((files.directory / name).read_bytes())
    config = configure(
        tmp_path, f"http:\n  tls:\n    certificate: {tmp_path}/server.pem\n"
        f"    key: {tmp_path}/server.key\n    clientcas: [{files.ca}]\n"
    )  # fmt: skip
    with RegistryServer(tmp_path / "root", config) as registry:
        assert over_tls(registry, "/v2/", identify=True) == 200
        assert name_of_server(registry) == "localhost"
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            over_tls(registry, "/v2/", identify=False)
        (tmp_path / "server.pem").write_text("broken")
        registry.run(registry.registry.reload())
        assert over_tls(registry, "/v2/", identify=True) == 200
        for name, other in (("server.pem", "cert.pem"), ("server.key", "key.pem")):
            (tmp_path / name).write_bytes((files.directory / other).read_bytes())
        registry.run(registry.registry.reload())
        assert name_of_server(registry) == "alice"


def test_the_second_address_has_metrics_and_health(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = configure(
        tmp_path, f"http:\n  debug:\n    addr: 127.0.0.1:{port}\n    prometheus:\n"
        "      enabled: true\n"
    )  # fmt: skip
    with RegistryServer(tmp_path / "root", config) as registry:
        assert registry.ask("GET", "/v2/").status == 200
        assert registry.ask("GET", "/health").json == {"status": "ok"}
        assert registry.ask("GET", "/metrics").status == 404
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.request("GET", "/debug/health")
        assert connection.getresponse().read() == b"{}"
        connection.close()
        assert 'registry_http_requests_total{code="200",handler="base",method="get"} 1' in text


def test_a_push_is_notified(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        port = listening.getsockname()[1]
        config = configure(
            tmp_path, "notifications:\n  endpoints:\n  - name: n\n"
            f"    url: http://127.0.0.1:{port}/hook?a=b\n    headers:\n      X-Key: [k]\n"
            "    ignoredmediatypes: [application/octet-stream]\n"
        )  # fmt: skip
        with RegistryServer(tmp_path / "root", config) as registry:
            digest = World(registry).push("a/b", "")
            peer, _ = listening.accept()
            with peer, peer.makefile("rwb") as stream:
                head = b"".join(iter(stream.readline, b"\r\n"))
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                (event,) = json.loads(stream.read(length))["events"]
                stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                stream.flush()
            assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
            assert b"x-key: k" in head.lower()
            assert event["action"] == "push"
            assert event["target"]["digest"] == digest
            assert event["target"]["tag"] == "latest"
            url = urlsplit(event["target"]["url"])
            assert (url.port, url.path) == (registry.port, f"/v2/a/b/manifests/{digest}")


def test_the_projects_own_certificates_and_their_revocation(tmp_path: Path) -> None:
    pki, now = tmp_path / "pki", datetime.datetime.now(datetime.UTC)
    terms = Terms(now=now, days=2)
    create(pki, parse_hosts(["127.0.0.1"]), terms=terms, ca_name="ours", client_name="robot")
    ca = Identity(
        x509.load_pem_x509_certificate((pki / "ca.pem").read_bytes()),
        decode_key((pki / "ca-key.pem").read_bytes(), "ca-key.pem"),
    )
    write_list(pki, ca, [], now=now)
    config = configure(
        tmp_path,
        f"http:\n  tls: {{certificate: {pki}/server-cert.pem, key: {pki}/server-key.pem, "
        f"clientcas: [{pki}/ca.pem]}}\nwharfie:\n  tls: {{crl: {pki}/crl.pem}}\n  access:\n"
        "    rules:\n    - {users: ['cert:robot'], repositories: [a/*]}\n",
    )
    context = client_context(str(pki / "ca.pem"), str(pki / "cert.pem"), str(pki / "key.pem"))

    def status(connection: http.client.HTTPSConnection, name: str) -> int:
        connection.request("GET", f"/v2/{name}/tags/list")
        reply = connection.getresponse()
        reply.read()
        return reply.status

    with RegistryServer(tmp_path / "root", config) as registry:
        live = http.client.HTTPSConnection("127.0.0.1", registry.port, context=context, timeout=10)
        assert (status(live, "a/b"), status(live, "b/c")) == (404, 403)
        robot = x509.load_pem_x509_certificate((pki / "cert.pem").read_bytes())
        write_list(pki, ca, [robot.serial_number], now=now)
        registry.run(registry.registry.reload())
        with pytest.raises((http.client.HTTPException, OSError)):  # it was cut
            status(live, "a/b")
        live.close()
        again = http.client.HTTPSConnection("127.0.0.1", registry.port, context=context, timeout=10)
        with pytest.raises((http.client.HTTPException, OSError)):
            status(again, "a/b")
        again.close()
