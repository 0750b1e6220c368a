"""The Engine API as tests speak it: plain requests, raw streams, and what was made is removed.

    def test_…(api: Api) -> None:
        box = api.run("sleep", "600", HostConfig={"Memory": 64 << 20})
        assert api.get(f"/containers/{box}/json")["State"]["Running"]

With `BEHAVIOURS_SOCKET` set, the tests ask the engine behind that socket (it needs a
busybox:latest) in place of ours: so a belief about another engine is put to the proof.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from support.daemon import UnixConnection
from wharfie.formats.stdcopy import Decoder

FOREIGN = os.environ.get("BEHAVIOURS_SOCKET", "")
LABEL = "behaviours"


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error says, "" for none."""
        found = self.json.get("message", "") if self.body.startswith(b"{") else ""
        return str(found)


class Api:
    """One engine; what is made through it is removed by `close`."""

    def __init__(self, path: Path | str, version: str = "1.51") -> None:
        self.socket = Path(path)
        self.version = version
        self.made: list[str] = []
        self.images: list[str] = []

    def at(self, version: str) -> Api:
        """The same engine, spoken to in another version; what it makes is removed with ours."""
        other = Api(self.socket, version)
        other.made, other.images = self.made, self.images
        return other

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> Reply:
        """One request; `body` is sent as JSON, `data` as it is."""
        words = urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        prefix = f"/v{self.version}" if self.version else ""
        target = f"{prefix}{quote(path, safe='/:@%?&=')}{'?' + words if words else ''}"
        sent = dict(headers or {})
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(UnixConnection(self.socket, 60)) as connection:
            connection.request(method, target, data, sent)
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    def get(self, path: str, **query: object) -> Any:
        """The decoded answer to a GET that must succeed."""
        reply = self.ask("GET", path, **query)
        assert reply.status == 200, (path, reply)
        return reply.json

    def do(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """A request that must succeed; its answer decoded, None for none."""
        reply = self.ask(method, path, body, **query)
        assert reply.status < 300, (path, reply)
        return reply.json if reply.body else None

    def refused(
        self, status: int, method: str, path: str, body: object = None, **query: object
    ) -> str:
        """The message of a request that must be refused with a status."""
        reply = self.ask(method, path, body, **query)
        assert reply.status == status, (path, reply)
        assert reply.headers["content-type"] == "application/json"
        return reply.message

    def create_body(self, *command: str, **config: object) -> dict[str, object]:
        """The body of a create."""
        host = {"AutoRemove": False, **config.pop("HostConfig", {})}  # type: ignore[dict-item]
        labels = {LABEL: "1", **config.pop("Labels", {})}  # type: ignore[dict-item]
        return {"Image": "busybox", "Cmd": list(command) or None, "Labels": labels,
                "HostConfig": host, **config}  # fmt: skip

    def create(self, *command: str, name: str | None = None, **config: object) -> str:
        """Make a container of busybox; returns its ID."""
        body = self.create_body(*command, **config)
        made = self.do("POST", "/containers/create", body, name=name)
        self.made.append(made["Id"])
        return str(made["Id"])

    def not_created(self, *command: str, status: int = 400, **config: object) -> str:
        """Why a container is refused."""
        body = self.create_body(*command or ("true",), **config)
        return self.refused(status, "POST", "/containers/create", body)

    def start(self, ref: str) -> None:
        """Start a container."""
        self.do("POST", f"/containers/{ref}/start")

    def run(self, *command: str, name: str | None = None, **config: object) -> str:
        """Make and start a container; returns its ID."""
        ref = self.create(*command, name=name, **config)
        self.start(ref)
        return ref

    def ended(self, *command: str, **config: object) -> str:
        """Run a container to its end; returns its ID."""
        ref = self.run(*command, **config)
        self.wait(ref)
        return ref

    def wait(self, ref: str) -> int:
        """Wait for the end of a container; its exit code."""
        return int(self.do("POST", f"/containers/{ref}/wait")["StatusCode"])

    def output(self, *command: str, **config: object) -> str:
        """What a container says on both streams, run to its end."""
        ref = self.ended(*command, **config)
        return self.log(ref)

    def log(self, ref: str, **query: object) -> str:
        """A container's log, streams mixed."""
        reply = self.ask("GET", f"/containers/{ref}/logs", stdout=1, stderr=1, **query)
        assert reply.status == 200, reply
        return b"".join(frame.payload for frame in Decoder().feed(reply.body)).decode()

    def inspect(self, ref: str) -> Any:
        """Inspect a container."""
        return self.get(f"/containers/{ref}/json")

    def state(self, ref: str) -> Any:
        """A container's state."""
        return self.inspect(ref)["State"]

    def exec(self, ref: str, *command: str, **config: object) -> tuple[int, str]:
        """Run a command in a container: exit code and output of both streams."""
        body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True, **config}
        made = self.do("POST", f"/containers/{ref}/exec", body)["Id"]
        reply = self.ask("POST", f"/exec/{made}/start", {"Detach": False})
        output = b"".join(frame.payload for frame in Decoder().feed(reply.body)).decode()
        return self.get(f"/exec/{made}/json")["ExitCode"], output

    def until(self, what: str, condition: Any, seconds: float = 20) -> Any:
        """Ask until the answer is true; returns it."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not come"
            time.sleep(0.02)
        return found

    @contextlib.contextmanager
    def raw(
        self, method: str, path: str, body: object = None, *, upgrade: bool = True
    ) -> Iterator[tuple[bytes, socket.socket]]:
        """Head of the answer and the connection behind it."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /v{self.version}{path} HTTP/1.1", "Host: d"]
        if upgrade:
            lines += ["Upgrade: tcp", "Connection: Upgrade"]
        if body is not None:
            lines.append("Content-Type: application/json")
        lines += [f"Content-Length: {len(data)}", "", ""]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.socket))
            client.sendall("\r\n".join(lines).encode() + data)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = client.recv(1)
                assert more, head
                head += more
            yield head, client

    def events(self, since: str, **filters: object) -> list[Any]:
        """Events since a time up to now."""
        query = {"since": since, "until": now(), "filters": json.dumps(filters)}
        lines = self.ask("GET", "/events", **query).body.splitlines()
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Remove what was made."""
        for ref in self.made:
            self.ask("DELETE", f"/containers/{ref}", force=1, v=1)
        for ref in self.images:
            self.ask("DELETE", f"/images/{ref}", force=1)


def now() -> str:
    """The present as `since` and `until` take it."""
    return f"{time.time():.9f}"


def rest(client: socket.socket) -> bytes:
    """All that still comes on a connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def payloads(data: bytes) -> list[tuple[int, bytes]]:
    """Frames of a multiplexed stream."""
    return [(frame.stream, frame.payload) for frame in Decoder().feed(data)]


def packed(*members: tuple[str, bytes | None], **fields: object) -> bytes:
    """A tar: names with content, None for a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if content is None else 0o644
            for key, value in fields.items():
                setattr(info, key, value)
            if content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def unpacked(data: bytes) -> dict[str, bytes | None]:
    """Names of a tar with content, None for what is no file."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {m.name: _content(archive, m) for m in archive}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    file = archive.extractfile(member) if member.isfile() else None
    return None if file is None else file.read()
