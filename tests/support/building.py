"""Builds over the raw API, and the folders they are made of."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.api import Api
from support.image_archives import tar

TAR = {"Content-Type": "application/x-tar"}
Files = Mapping[str, str | bytes]


def context(files: Files) -> bytes:
    """A tar of files."""
    return tar({n: c.encode() if isinstance(c, str) else c for n, c in files.items()})


def build(api: Api, files: Files, **query: object) -> list[dict[str, Any]]:
    """The messages of a build."""
    reply = api.ask("POST", "/build", data=context(files), headers=TAR, **query)
    assert reply.status == 200, reply.body
    return [json.loads(line) for line in reply.body.splitlines() if line]


def image_of(messages: list[dict[str, Any]]) -> str:
    """ID of what was built."""
    assert "error" not in messages[-1], messages
    [found] = [one["aux"]["ID"] for one in messages if "aux" in one]
    return str(found)


def said(messages: list[dict[str, Any]]) -> str:
    """All text."""
    return "".join(one.get("stream", "") for one in messages)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder of files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


class OpenBuild:
    """A build whose connection is ours to cut."""

    def __init__(self, path: Path, files: Files, query: str = "") -> None:
        body = context(files)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._socket.sendall(
            b"POST /v1.51/build?%b HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (query.encode(), len(body), body)
        )
        self._text = b""

    def until(self, words: bytes) -> bytes:
        """Read until the daemon said something."""
        while words not in self._text:
            data = self._socket.recv(65536)
            assert data, self._text
            self._text += data
        return self._text

    def rest(self) -> Iterator[bytes]:
        """Everything to the end."""
        while data := self._socket.recv(65536):
            yield data

    def cut(self) -> None:
        """Close the connection."""
        self._socket.close()
