"""A small S3 server in threads that checks every signature: objects, lists, copies, parts.

    with S3Server() as server:
        server.objects["bucket/key"]
        server.rules.append(lambda handler: …)    # True: it has answered

Source: Amazon S3 API; "Signature Version 4 signing process".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from xml.etree import ElementTree
from xml.sax.saxutils import escape

KEY, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "eu-test-1", "images"
_XML = "http://s3.amazonaws.com/doc/2006-03-01/"
_PAGE = 100


@dataclass
class Stored:
    data: bytes
    modified: float = field(default_factory=time)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        fields = {"Content-Length": str(len(body)), "Content-Type": "application/xml"}
        for name, value in {**fields, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state = self.server.state
        with state.lock:
            state.requests.append(f"{self.command} {self.path}")
        for rule in list(state.rules):
            if rule(self):
                return
        if not signed(self, body):
            self.error(403, "SignatureDoesNotMatch")
            return
        with state.lock:
            state.answer(self, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do  # noqa: N815 - http.server's


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: S3Server

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class S3Server:
    """See the module."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.rules: list[Callable[[Handler], bool]] = []
        self.lock = threading.RLock()
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._server = _Server(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.state = self
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler: Handler, body: bytes) -> None:
        path, _, text = handler.path.partition("?")
        query = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
        name = urllib.parse.unquote(path).removeprefix("/")
        bucket, _, key = name.partition("/")
        if bucket != BUCKET:
            handler.error(404, "NoSuchBucket")
        elif not key:
            self._bucket(handler, query, body)
        elif handler.command in ("GET", "HEAD"):
            self._get(handler, name)
        elif handler.command == "DELETE":
            self.objects.pop(name, None)
            self.parts.pop(query.get("uploadId", ""), None)
            handler.answer(204)
        else:
            self._store(handler, name, query, body)

    def _bucket(self, handler: Handler, query: dict[str, str], body: bytes) -> None:
        if handler.command == "POST" and "delete" in query:
            keys = [e.text or "" for e in ElementTree.fromstring(body).iter() if local(e) == "Key"]
            for key in keys:
                self.objects.pop(f"{BUCKET}/{key}", None)
            deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            handler.answer(200, f'<DeleteResult xmlns="{_XML}">{deleted}</DeleteResult>'.encode())
        elif query.get("list-type") == "2":
            handler.answer(200, self._list(query).encode())
        else:
            handler.error(501, "NotImplemented")

    def _list(self, query: dict[str, str]) -> str:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        entries: dict[str, str] = {}
        for name, one in sorted(self.objects.items()):
            key = name.removeprefix(f"{BUCKET}/")
            if not key.startswith(prefix):
                continue
            below, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                entries[prefix + below + delimiter] = ""
            else:
                entries[key] = (
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(one.data)}</Size>"
                    f"<ETag>{escape(one.etag)}</ETag><LastModified>{iso(one.modified)}"
                    "</LastModified></Contents>"
                )
        chosen = [key for key in entries if key > after]
        page, more = chosen[:_PAGE], len(chosen) > _PAGE
        inside = "".join(
            entries[key] or f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>"
            for key in page
        )
        if more:
            inside += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        return (
            f'<ListBucketResult xmlns="{_XML}"><KeyCount>{len(page)}</KeyCount>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{inside}</ListBucketResult>"
        )

    def _get(self, handler: Handler, name: str) -> None:
        found = self.objects.get(name)
        if found is None:
            handler.error(404, "NoSuchKey")
            return
        data, status = found.data, 200
        headers = {"ETag": found.etag, "Last_Modified": formatdate(found.modified, usegmt=True)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
        if wanted:
            start, end = int(wanted[1]), int(wanted[2] or len(data) - 1) + 1
            if start >= len(data):
                handler.error(416, "InvalidRange")
                return
            end = min(end, len(data))
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            data, status = data[start:end], 206
        handler.answer(status, data, **headers)

    def _store(self, handler: Handler, name: str, query: dict[str, str], body: bytes) -> None:
        source = handler.headers.get("x-amz-copy-source")
        if "uploads" in query:
            upload = uuid.uuid4().hex
            self.parts[upload] = {}
            handler.answer(200, result("InitiateMultipartUploadResult", UploadId=upload))
        elif "partNumber" in query:
            self.parts[query["uploadId"]][int(query["partNumber"])] = body
            handler.answer(200, ETag=Stored(body).etag)
        elif "uploadId" in query:
            parts = self.parts.pop(query["uploadId"])
            if any(len(data) < 5 << 20 for _, data in sorted(parts.items())[:-1]):
                handler.error(400, "EntityTooSmall")
                return
            self.objects[name] = Stored(b"".join(data for _, data in sorted(parts.items())))
            etag = self.objects[name].etag
            handler.answer(200, result("CompleteMultipartUploadResult", ETag=escape(etag)))
        elif source is not None:
            found = self.objects.get(urllib.parse.unquote(source).removeprefix("/"))
            if found is None:
                handler.error(404, "NoSuchKey")
                return
            self.objects[name] = Stored(found.data)
            handler.answer(200, result("CopyObjectResult", ETag=escape(found.etag)))
        else:
            self.objects[name] = Stored(body)
            handler.answer(200, ETag=self.objects[name].etag)


def signed(handler: Handler, body: bytes) -> bool:
    """Tell whether a request carries the signature of the one known key."""
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        handler.headers.get("Authorization") or "",
    )
    if given is None or (given[1], given[3]) != (KEY, REGION):
        return False
    _, day, region, names, signature = given.groups()
    payload = handler.headers["x-amz-content-sha256"]
    if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        return False
    if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names.split(";")):
        return False
    path, _, query = handler.path.partition("?")
    pairs = sorted(
        tuple(map(quoted, one)) for one in urllib.parse.parse_qsl(query, keep_blank_values=True)
    )
    headers = "".join(f"{n}:{' '.join(handler.headers[n].split())}\n" for n in names.split(";"))
    canonical = "\n".join(
        [handler.command, path, "&".join(f"{k}={v}" for k, v in pairs), headers, names, payload]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{handler.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signature)


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")


def local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def result(name: str, **members: str) -> bytes:
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in members.items())
    return f'<{name} xmlns="{_XML}">{inside}</{name}>'.encode()
