"""The page to browse with: what it shows, to whom, and that what was pushed stays text.

In a real browser, with a canary that hears of every script that runs and every image that loads.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bcrypt
import pytest

from support.browser import Browser, browser
from support.registry_server import RegistryServer, descriptor, digest_of, index, manifest
from wharfie.registry.config import load


class Canary:
    """Serves given pages, and lists every other path that was asked for."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.pages: dict[str, tuple[bytes, dict[str, str]]] = {}
        canary = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, headers = canary.pages.get(self.path, (b"", {}))
                if self.path not in canary.pages:
                    canary.heard.append(self.path)
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Canary:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Browser:
    return browser()


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as found:
        yield found


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with RegistryServer(tmp_path / "root") as found:
        yield found


def payloads(canary: Canary) -> list[str]:
    url = canary.url
    return [
        f"<script>fetch('{url}/script')</script>",
        f"\"><img src='{url}/img' onerror=\"fetch('{url}/error')\">",
        f"'><svg onload=fetch('{url}/svg')>",
        f"</pre></title></style><iframe src={url}/frame></iframe>",
        f"javascript:fetch('{url}/href')",
        f"<link rel=stylesheet href={url}/css><base href={url}/base/>",
        "{{7*7}}${7*7}\u202e\x00\ud83d\ude00",
        f"<meta http-equiv=refresh content='0;url={url}/refresh'>",
    ]


def push_hostile(registry: RegistryServer, canary: Canary) -> str:
    words = payloads(canary)
    annotations = {word: word for word in words if "\x00" not in word}
    annotations |= {"org.opencontainers.image.title": words[0]}
    for blob in (b"{}", b"layer"):
        registry.push_blob("team/app", blob)
    document = manifest(b"{}", b"layer", annotations=annotations, artifactType=words[1])
    document["layers"][0]["mediaType"] = words[2]
    document["layers"][0]["annotations"] = annotations
    document["config"]["mediaType"] = words[3]
    document["extra"] = words
    digest = registry.push_manifest("team/app", document, "evil")
    data = json.dumps(document).encode()
    subject = descriptor(data, document["mediaType"])
    registry.push_manifest(
        "team/app", manifest(b"{}", b"layer", subject=subject, artifactType=words[1])
    )
    registry.push_manifest("team/app", index({**subject, "annotations": annotations}), "multi")
    return digest


def pages(digest: str) -> list[str]:
    return ["/ui/", "/ui/team/app", "/ui/team/app:evil", f"/ui/team/app@{digest}",
            "/ui/team/app:multi"]  # fmt: skip


def test_what_is_pushed_stays_text_in_a_browser(
    chromium: Browser, registry: RegistryServer, canary: Canary
) -> None:
    digest = push_hostile(registry, canary)
    for path in pages(digest):
        shown = chromium.load(f"http://127.0.0.1:{registry.port}{path}")
        assert "Registry" in shown
        names = set(re.findall(r"<([a-z]+)[ >]", shown))
        assert names <= {
            "html", "head", "meta", "title", "link", "body", "header", "b", "a", "main", "h1", "h2",
            "p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "span",
        }, path  # fmt: skip
        assert not re.search(r"<[^>]* on[a-z]+=", shown)
        links = re.findall(r'href="([^"]*)"', shown)
        assert all(link.startswith("/ui/") for link in links)
    shown = chromium.load(f"http://127.0.0.1:{registry.port}/ui/team/app:evil")
    assert f"<script>fetch('{canary.url}/script')</script>" in unescape(shown)
    assert canary.heard == []


def test_the_canary_hears_what_is_not_escaped(chromium: Browser, canary: Canary) -> None:
    # The twin of the test above: the very same words, put in as they are.
    body = "".join(f"<p>{word}</p>" for word in payloads(canary)[:3]).encode("utf-8", "replace")
    canary.pages["/page"] = (body, {"Content-Type": "text/html"})
    chromium.load(f"{canary.url}/page")
    assert {"/script", "/img", "/error", "/svg"} <= set(canary.heard)


def test_the_policy_stops_what_would_get_in(
    chromium: Browser, registry: RegistryServer, canary: Canary
) -> None:
    # Should escaping ever fail, the header alone stops it; styles of its own origin may load.
    policy = registry.ask("GET", "/ui/").headers["content-security-policy"]
    body = "".join(f"<p>{word}</p>" for word in payloads(canary)[:5]).encode("utf-8", "replace")
    fields = {"Content-Type": "text/html", "Content-Security-Policy": policy}
    canary.pages["/page"] = (body, fields)
    chromium.load(f"{canary.url}/page")
    assert canary.heard == []


def test_pages_lead_from_one_to_the_other(chromium: Browser, registry: RegistryServer) -> None:
    layer = b"x" * 5000
    digest = registry.push_image("team/app", "1.0", (layer,))
    at = f"http://127.0.0.1:{registry.port}"
    front = chromium.load(f"{at}/")
    assert 'href="/ui/team/app"' in front
    tags = chromium.load(f"{at}/ui/team/app")
    assert 'href="/ui/team/app:1.0"' in tags
    assert digest[:19] in tags
    one = chromium.load(f"{at}/ui/team/app:1.0")
    assert digest in one
    assert digest_of(layer) in one
    assert "4.883KiB" in one


# Without a browser


def test_headers_keep_others_out(registry: RegistryServer) -> None:
    registry.push_image("app", "1")
    for path in ("/ui/", "/ui/app", "/ui/app:1", "/ui/none", "/ui/style.css", "/"):
        reply = registry.ask("GET", path)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["x-content-type-options"] == "nosniff"
    assert registry.ask("GET", "/ui/app").headers["cache-control"] == "no-store"
    assert registry.ask("GET", "/").headers["location"] == "/ui/"
    assert registry.ask("POST", "/ui/").status == 405
    assert registry.ask("GET", "/other").status == 404


@pytest.mark.parametrize(
    "path",
    ["/ui/none", "/ui/app:none", f"/ui/app@{digest_of(b'x')}", "/ui/../etc/passwd", "/ui/app@x:y",
     "/ui/%2e%2e/x", "/ui/app:%3Cscript%3E", "/ui/%00", "/ui/APP", "/ui/app:" + "x" * 200],
)  # fmt: skip
def test_what_is_not_there_is_not_found(registry: RegistryServer, path: str) -> None:
    registry.push_image("app", "1")
    reply = registry.ask("GET", path)
    assert reply.status == 404
    assert b"<script" not in reply.body


def test_long_lists_come_in_pages(registry: RegistryServer) -> None:
    digest = registry.push_image("many", "t000")
    data = registry.ask("GET", "/v2/many/manifests/t000").body
    for number in range(1, 103):
        registry.push_manifest("many", data, f"t{number:03d}")
    first = registry.ask("GET", "/ui/many").body.decode()
    assert first.count(digest[:19]) == 100
    more = re.search(r'href="(/ui/many\?last=[^"]*)"', first)
    assert more is not None
    rest = registry.ask("GET", more[1]).body.decode()
    assert rest.count(digest[:19]) == 3
    assert "last=" not in rest


def test_a_referrer_and_a_subject_lead_to_each_other(registry: RegistryServer) -> None:
    subject = registry.push_image("app", "1")
    data = registry.ask("GET", "/v2/app/manifests/1").body
    entry = descriptor(data, "application/vnd.oci.image.manifest.v1+json")
    signature = registry.push_manifest(
        "app", manifest(b'{"name": "app", "tag": "1"}', subject=entry, artifactType="app/sig")
    )
    assert signature in registry.ask("GET", "/ui/app:1").body.decode()
    assert f"/ui/app@{subject}" in registry.ask("GET", f"/ui/app@{signature}").body.decode()


def test_whoever_looks_sees_what_he_may_pull(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"alice:{hashed}\nbob:{hashed}\n")
    (tmp_path / "config.yml").write_text(
        f'auth:\n  htpasswd:\n    path: {tmp_path}/htpasswd\n    realm: Our "place"\n'
        "wharfie:\n  access:\n    rules:\n    - users: [anonymous]\n"
        "      repositories: [public/*]\n"
        "    - users: [alice]\n      repositories: ['**']\n      actions: [pull, push]\n"
    )
    config = load(str(tmp_path / "config.yml"), environment={})
    with RegistryServer(tmp_path / "root", config) as registry:
        alice, bob = ({"Authorization": basic(name)} for name in ("alice", "bob"))
        for name in ("public/a", "secret/x"):
            push_as(registry, name, alice)
        for who in ({}, bob):
            assert "secret" not in registry.ask("GET", "/ui/", **who).body.decode()
            assert "public/a" in registry.ask("GET", "/ui/", **who).body.decode()
            assert registry.ask("GET", "/ui/public/a:1", **who).status == 200
            for path in ("/ui/secret/x", "/ui/secret/x:1", "/ui/secret/none"):
                reply = registry.ask("GET", path, **who)
                assert reply.status == (403 if who else 401)
                assert b"layer" not in reply.body
        reply = registry.ask("GET", "/ui/?login")
        assert reply.headers["www-authenticate"] == 'Basic realm="Our place"'
        shown = registry.ask("GET", "/ui/?login", **alice).body.decode()
        assert "secret/x" in shown
        assert "alice" in shown
        assert registry.ask("GET", "/ui/secret/x:1", **alice).status == 200


def basic(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()


def push_as(registry: RegistryServer, name: str, who: dict[str, str]) -> None:
    plain = registry.ask

    def ask(method: str, path: str, body: object = None, **headers: str):
        return plain(method, path, body, **headers, **who)

    registry.ask = ask  # type: ignore[method-assign]
    try:
        registry.push_image(name, "1")
    finally:
        registry.ask = plain  # type: ignore[method-assign]


def test_the_page_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("wharfie:\n  page: false\n")
    config = load(str(tmp_path / "config.yml"), environment={})
    with RegistryServer(tmp_path / "root", config) as registry:
        assert registry.ask("GET", "/ui/").status == 404
        connection = http.client.HTTPConnection("127.0.0.1", registry.port)
        connection.request("GET", "/")
        assert connection.getresponse().status == 404
        connection.close()
