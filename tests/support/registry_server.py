"""A `wharfie-registry` in a thread of this process, and a plain client of it.

with RegistryServer(tmp_path) as registry:
    digest = registry.push_blob("app", b"…")
    assert registry.ask("GET", f"/v2/app/blobs/{digest}").body == b"…"
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import uvloop
from msgspec import structs

from wharfie.formats.oci.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from wharfie.registry.config import Config
from wharfie.registry.wiring import Registry, open_registry


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@dataclass
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """Codes of a refusal, in the specification's form."""
        errors = self.json["errors"]
        assert all(set(error) <= {"code", "message", "detail"} for error in errors)
        return [error["code"] for error in errors]


class Client:
    """Asks a registry, one connection a request."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        **headers: str,
    ) -> Answer:
        """One request; `path` may be a Location. Underscores in header names become dashes."""
        parts = urlsplit(path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(
                method,
                target,
                body,
                fields,
                encode_chunked=body is not None and not isinstance(body, bytes),
            )
            reply = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, fields, reply.read())
        finally:
            connection.close()

    def begin(self, name: str) -> str:
        """Begin an upload; returns its Location."""
        begun = self.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202, begun
        return begun.headers["location"]

    def push_blob(self, name: str, data: bytes, algorithm: str = "sha256") -> str:
        """Push a blob by POST and PUT; returns its digest."""
        digest = digest_of(data, algorithm)
        done = self.ask("PUT", with_digest(self.begin(name), digest), data)
        assert done.status == 201, done
        return digest

    def push_manifest(self, name: str, document: object, reference: str = "") -> str:
        """Push a manifest by tag, or by its digest; returns that."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        media_type = json.loads(data).get("mediaType", OCI_MANIFEST)
        digest = digest_of(data)
        path = f"/v2/{name}/manifests/{reference or digest}"
        done = self.ask("PUT", path, data, Content_Type=media_type)
        assert done.status == 201, done
        return digest

    def push_image(self, name: str, tag: str = "", layers: tuple[bytes, ...] = (b"layer",)) -> str:
        """Push an image of small layers; returns its digest."""
        config = json.dumps({"name": name, "tag": tag}).encode()
        for blob in (config, *layers):
            self.push_blob(name, blob)
        return self.push_manifest(name, manifest(config, *layers), tag)


class RegistryServer(Client):
    """A registry of this process.

    Args:
        root: of its storage.
        config: its address and root are overwritten.
    """

    def __init__(self, root: Path, config: Config | None = None) -> None:
        super().__init__("127.0.0.1", 0)
        config = config or Config()
        self.root = root
        self.config = structs.replace(
            config,
            http=structs.replace(config.http, addr="127.0.0.1:0", drain=2.0),
            storage=structs.replace(config.storage, root=str(root)),
            # Its lines would stand among those of the tests.
            watching=structs.replace(
                config.watching, log=structs.replace(config.watching.log, has_access=False)
            ),
        )
        self.errors: list[dict] = []
        self.registry: Registry
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RegistryServer:
        self._thread.start()
        assert self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self.errors

    def run(self, coroutine, timeout: float = 30.0):
        """Run a coroutine on the registry's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    @property
    def content(self):
        return self.registry.content

    def blob_file(self, digest: str) -> Path:
        """Where a blob's bytes are."""
        algorithm, _, encoded = digest.partition(":")
        top = self.root / "docker/registry/v2/blobs"
        return top / algorithm / encoded[:2] / encoded / "data"

    def _run(self) -> None:
        try:
            uvloop.run(self._main())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again by __enter__
            self._failure = error
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        self._stop = asyncio.Event()
        self.registry = await open_registry(self.config)
        await self.registry.listen()
        self.port = int(self.registry.addresses[0].rpartition(":")[2])
        self._ready.set()
        await self._stop.wait()
        await self.registry.close()


def with_digest(location: str, digest: str) -> str:
    """A Location with the parameter that ends an upload."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(digest)}"


def descriptor(data: bytes, media_type: str, algorithm: str = "sha256", **members: object) -> dict:
    return {
        "mediaType": media_type,
        "digest": digest_of(data, algorithm),
        "size": len(data),
        **members,
    }


def manifest(config: bytes, *layers: bytes, **members: object) -> dict:
    """An OCI manifest; `members` are added, or replace its own."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
        **members,
    }


def index(*manifests: dict, **members: object) -> dict:
    """An OCI index of descriptors."""
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests), **members}
