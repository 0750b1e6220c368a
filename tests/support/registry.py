"""A small registry in threads, as good or as hostile as a test wants it.

    with Registry() as registry:
        image = registry.add_image("app", "1", [layer])
        registry.rules.append(cut_after(1000))

`rules` see every request first: one that returns True has answered it. `requests` lists what was
asked. The socket may be born in another network namespace.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import image_archives as archives
from wharfie.formats.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Repo:
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)


@dataclass
class Built:
    """An image as it was added."""

    manifest: bytes
    config: bytes
    blobs: list[bytes]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def id(self) -> str:
        return digest_of(self.config)


class Handler(BaseHTTPRequestHandler):
    """One request; `server.registry` knows what to say."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, ValueError):
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """A whole answer; a HEAD gets no body."""
        self.send_response(status)
        fields = {"Content-Length": str(len(body)), **(headers or {})}
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str, message: str) -> None:
        """A registry's error document."""
        document = {"errors": [{"code": code, "message": message, "detail": None}]}
        self.answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def hang_up(self) -> None:
        """Break the connection off."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def body(self) -> bytes:
        """The request's body."""
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            parts = []
            while size := int(self.rfile.readline().strip(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _do(self) -> None:
        registry = self.server.registry
        headers = {name.lower(): value for name, value in self.headers.items()}
        registry.requests.append(Asked(self.command, self.path, headers))
        for rule in list(registry.rules):
            if rule(self):
                return
        registry.answer(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - http.server's


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: Registry

    def handle_error(self, request: object, client_address: object) -> None:
        pass


Rule = Callable[[Handler], bool]
_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<ref>[^?]*)(?:\?(.*))?")


class Registry:
    """See the module; a context manager.

    Args:
        ranges: serve ranges of blobs.
        user: "name:password" wanted, by `auth`.
        auth: "basic" or "bearer".
        context: serve TLS with it.
        listener: a bound, listening socket; None for one on loopback.
    """

    def __init__(
        self,
        *,
        ranges: bool = True,
        user: str = "",
        auth: str = "basic",
        context: ssl.SSLContext | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self.ranges = ranges
        self.user = user
        self.auth = auth
        self.realm = ""
        self.rules: list[Rule] = []
        self.requests: list[Asked] = []
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.tokens: dict[str, str] = {}
        self.sent = 0
        """Bytes of blobs served."""
        self._lock = threading.Lock()
        if listener is None:
            listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._server = _Server(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self._server.socket.close()
        if context is not None:
            listener = context.wrap_socket(
                listener, server_side=True, do_handshake_on_connect=False
            )
        self.scheme = "https" if context else "http"
        self._server.socket = listener
        self._server.registry = self
        host, self.port = listener.getsockname()[:2]
        self.host = f"{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Registry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # Content

    def add_image(
        self,
        name: str,
        tag: str,
        layers: Sequence[bytes],
        *,
        oci: bool = True,
        blobs: Sequence[bytes] | None = None,
        **members: object,
    ) -> Built:
        """An image of uncompressed layer tars; `blobs` are what is served in their place."""
        config = archives.config(layers, **members)
        packed = list(blobs or [gzip.compress(layer, 1, mtime=0) for layer in layers])
        kinds = (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP)
        if not oci:
            kinds = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": kinds[0],
                "config": archives.descriptor(kinds[1], config),
                "layers": [archives.descriptor(kinds[2], blob) for blob in packed],
            }
        ).encode()
        repo = self.repos.setdefault(name, Repo())
        for data in (config, *packed):
            self.blobs[digest_of(data)] = data
            repo.blobs.add(digest_of(data))
        self.put_manifest(name, tag, kinds[0], manifest)
        return Built(manifest, config, packed)

    def add_index(self, name: str, tag: str, entries: Sequence[dict[str, object]]) -> str:
        """An index; the digest."""
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
        data = json.dumps(index).encode()
        self.put_manifest(name, tag, OCI_INDEX, data)
        return digest_of(data)

    def put_manifest(self, name: str, tag: str, kind: str, data: bytes) -> None:
        repo = self.repos.setdefault(name, Repo())
        repo.manifests[digest_of(data)] = (kind, data)
        if tag:
            repo.manifests[tag] = (kind, data)

    def paths(self, method: str = "GET") -> list[str]:
        """Paths asked for so far."""
        return [asked.path for asked in self.requests if asked.method == method]

    # Answers

    def answer(self, handler: Handler) -> None:
        """What an honest registry says."""
        path = handler.path
        if path.startswith("/token"):
            self._token(handler)
            return
        if not self._admit(handler):
            return
        if path.rstrip("/") == "/v2":
            handler.answer(200, b"{}")
            return
        route = _ROUTE.fullmatch(path)
        if route is None:
            handler.error(404, "NOT_FOUND", "no such route")
            return
        name, kind, ref = route["name"], route["kind"], urllib.parse.unquote(route["ref"])
        if kind == "blobs" and ref.startswith("uploads/"):
            self._upload(handler, name, ref.removeprefix("uploads/"))
        elif kind == "manifests":
            self._manifest(handler, name, ref)
        elif kind == "blobs":
            self._blob(handler, name, ref)
        else:
            self._tags(handler, name)

    def _admit(self, handler: Handler) -> bool:
        if not self.user:
            return True
        given = handler.headers.get("Authorization") or ""
        pair = base64.b64encode(self.user.encode()).decode()
        if self.auth == "basic":
            if given == f"Basic {pair}":
                return True
            challenge = 'Basic realm="test"'
        else:
            if given.removeprefix("Bearer ") in self.tokens:
                return True
            realm = self.realm or f"{self.scheme}://{self.host}/token"
            challenge = f'Bearer realm="{realm}",service="test"'
        handler.body()
        document = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        handler.answer(401, json.dumps(document).encode(), {"WWW-Authenticate": challenge})
        return False

    def _token(self, handler: Handler) -> None:
        form = urllib.parse.parse_qs(handler.body().decode())
        pair = base64.b64encode(self.user.encode()).decode()
        known = handler.headers.get("Authorization") == f"Basic {pair}"
        if not known and form.get("refresh_token", [""])[0] != "identity":
            handler.error(401, "UNAUTHORIZED", "incorrect username or password")
            return
        with self._lock:
            token = f"token-{len(self.tokens)}"
            self.tokens[token] = handler.path
        reply = {"token": token, "expires_in": 300}
        if "offline_token" in handler.path:
            reply["refresh_token"] = "identity"
        handler.answer(200, json.dumps(reply).encode())

    def _manifest(self, handler: Handler, name: str, ref: str) -> None:
        if handler.command == "PUT":
            data = handler.body()
            kind = handler.headers.get("Content-Type") or ""
            self.put_manifest(name, "" if ":" in ref else ref, kind, data)
            handler.answer(201, b"", {"Docker-Content-Digest": digest_of(data)})
            return
        repo = self.repos.get(name)
        if repo is None:
            handler.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        elif ref not in repo.manifests:
            handler.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        else:
            kind, data = repo.manifests[ref]
            fields = {"Content-Type": kind, "Docker-Content-Digest": digest_of(data)}
            handler.answer(200, data, fields)

    def _blob(self, handler: Handler, name: str, ref: str) -> None:
        repo = self.repos.get(name)
        if repo is None or ref not in repo.blobs:
            handler.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return
        data = self.blobs[ref]
        status, fields = 200, {"Content-Type": "application/octet-stream"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
        if wanted and self.ranges:
            start = int(wanted[1])
            end = min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data))
            status = 206
            fields["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            data = data[start:end]
        if handler.command != "HEAD":
            with self._lock:
                self.sent += len(data)
        handler.answer(status, data, fields)

    def _tags(self, handler: Handler, name: str) -> None:
        repo = self.repos.get(name)
        if repo is None:
            handler.error(404, "NAME_UNKNOWN", "repository name not known to registry")
            return
        tags = [ref for ref in repo.manifests if ":" not in ref]
        handler.answer(200, json.dumps({"name": name, "tags": tags}).encode())

    def _upload(self, handler: Handler, name: str, rest: str) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        data = handler.body()
        repo = self.repos.setdefault(name, Repo())
        if handler.command == "POST":
            source = self.repos.get(query.get("from", [""])[0])
            mounted = query.get("mount", [""])[0]
            if source is not None and mounted in source.blobs:
                repo.blobs.add(mounted)
                handler.answer(201, b"", {"Docker-Content-Digest": mounted})
                return
            with self._lock:
                key = f"u{len(self.uploads)}"
                self.uploads[key] = b""
            handler.answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{key}?state=1"})
        elif handler.command == "PATCH":
            self.uploads[rest] += data
            handler.answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{rest}?state=2"})
        elif handler.command == "PUT":
            whole = self.uploads.pop(rest) + data
            digest = query["digest"][0]
            if digest_of(whole) != digest:
                handler.error(400, "DIGEST_INVALID", "provided digest did not match uploaded")
                return
            self.blobs[digest] = whole
            repo.blobs.add(digest)
            handler.answer(201, b"", {"Docker-Content-Digest": digest})
        else:
            self.uploads.pop(rest, None)
            handler.answer(204)
