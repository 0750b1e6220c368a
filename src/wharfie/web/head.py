"""Heads of requests: bytes up to the empty line in, a checked `Head` out; llhttp does the parsing.

Source: RFC 9112; refusals as Go's net/http words them.
"""

from __future__ import annotations

import re
from contextlib import suppress

import httptools
from msgspec import Struct

from wharfie.web.errors import HttpError

_MAX_FIELDS = 512
_HOST = re.compile(r"[A-Za-z0-9._~%:\[\]!$&'()*+;=/-]+")
"""Not with a comma. With a slash: some clients put the path of a unix socket there."""


class Head(Struct, frozen=True):
    """What one head says.

    Attributes:
        length: bytes of the body, None for a chunked one.
        upgrade: the asked-for protocol, "" where no upgrade was asked for.
        expects: the client waits for "100 Continue" before it sends the body.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int | None
    upgrade: str
    expects: bool
    is_http_10: bool
    keep_alive: bool


class HeadParser:
    """Parses one head after the other; the methods named `on_` are llhttp's callbacks."""

    __slots__ = ("_fields", "_headers", "_is_complete", "_parser", "_target")

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = None
        self._target = b""
        self._headers: dict[str, str] = {}
        self._fields = 0
        self._is_complete = False

    def parse(self, data: bytes) -> Head:
        """Parse exactly one head, its empty line included.

        Raises:
            HttpError: malformed, or beyond what this server speaks.
        """
        parser = self._parser or httptools.HttpRequestParser(self)
        self._parser = None
        self._target, self._headers, self._fields, self._is_complete = b"", {}, 0, False
        try:
            # An upgrade ends llhttp's interest; bodies and what follows are not its business.
            with suppress(httptools.HttpParserUpgrade):
                parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise HttpError(400, str(error)) from error
        if not self._is_complete:
            raise HttpError(400, "malformed request head")
        head = self._check(parser)
        if head.keep_alive and head.length == 0 and not head.upgrade:
            self._parser = parser
        return head

    def on_url(self, url: bytes) -> None:
        """Collect the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; repeated ones are joined."""
        self._fields += 1
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in self._headers:
            text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        """The empty line was seen."""
        self._is_complete = True

    def _check(self, parser: httptools.HttpRequestParser) -> Head:
        headers = self._headers
        if self._fields > _MAX_FIELDS:
            raise HttpError(431, "too many header fields")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise HttpError(505, f"HTTP/{version}")
        host = headers.get("host")
        if host is None and version == "1.1":
            raise HttpError(400, "missing required Host header")
        # Two Host fields were joined by a comma.
        if host and not _HOST.fullmatch(host):
            raise HttpError(400, "malformed Host header")
        expect = headers.get("expect")
        if expect is not None and expect.lower() != "100-continue":
            raise HttpError(417, f"unknown expectation: {expect[:80]}")
        path, _, query = self._target.decode("ascii").partition("?")
        if not path.startswith("/") and path != "*":
            path = _path_of(path, host)
        options = headers.get("connection", "").lower()
        upgrade = headers.get("upgrade", "") if "upgrade" in options else ""
        return Head(
            method=parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            length=_length_of(headers, version),
            upgrade=upgrade,
            expects=expect is not None and version == "1.1",
            is_http_10=version == "1.0",
            # llhttp has forgotten the connection's options by now.
            keep_alive=version == "1.1" and "close" not in options,
        )


def _length_of(headers: dict[str, str], version: str) -> int | None:
    encoding = headers.get("transfer-encoding")
    if encoding is not None and ("content-length" in headers or version == "1.0"):
        # Whoever stands in front may have taken the other length for the right one.
        raise HttpError(400, "ambiguous length: Transfer-Encoding and Content-Length")
    if encoding is None:
        length = headers.get("content-length") or "0"
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise HttpError(400, "bad Content-Length")
        return int(length)
    if encoding.strip().lower() != "chunked":
        raise HttpError(501, "unsupported transfer encoding")
    return None


def _path_of(target: str, host: str | None) -> str:
    """The path of an absolute target (`GET http://host/path`), whose host must be Host's."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https", "tcp"):
        raise HttpError(400, "malformed request target")
    authority, _, path = rest.partition("/")
    if host is not None and authority.lower() != host.lower():
        raise HttpError(400, "the request target's host is not the Host header's")
    return f"/{path}"
