"""Bad input over the API: Docker's status, a clear message, nothing changed, the daemon alive."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import tarfile
from collections.abc import Iterator

import pytest

from support.daemon import Daemon, UnixConnection

pytestmark = pytest.mark.root
SLEEP = {"Image": "busybox", "Cmd": ["sleep", "60"]}


def host(**config: object) -> dict[str, object]:
    return {**SLEEP, "HostConfig": config}


def raw(daemon: Daemon, method: str, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    with contextlib.closing(UnixConnection(daemon.socket, 60)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        try:
            return response.status, str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            return response.status, text


def post(daemon: Daemon, path: str, body: object) -> tuple[int, str]:
    data = json.dumps(body).encode()
    return raw(daemon, "POST", path, data, **{"Content-Type": "application/json"})


def ids(daemon: Daemon) -> list[list[str]]:
    paths = ("/containers/json?all=1", "/images/json")
    return [sorted(one["Id"] for one in daemon.json("GET", path)) for path in paths]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def nothing_changes(shared_daemon: Daemon) -> Iterator[None]:
    """Whatever was sent, the daemon lives and has neither more containers nor more images."""
    before = ids(shared_daemon)
    yield
    assert ids(shared_daemon) == before


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"{", "application/json", "invalid JSON"),
        (b'{"Image":"busybox"} {}', "application/json", "unexpected content after JSON"),
        (b"", "application/json", "invalid JSON: got EOF while reading request body"),
        (b'{"Image":"busybox"}', "text/plain", "unsupported Content-Type header (text/plain)"),
        (b"[1]", "application/json", "invalid JSON"),
        (b'{"Image": 7, "Cmd": ["a"]}', "application/json", "invalid JSON"),
        (b"{}", "application/json", "config cannot be empty in order to create a container"),
        (b'{"a":' * 50000, "application/json", "invalid JSON"),
    ],
)
def test_bodies(shared_daemon: Daemon, body: bytes, content_type: str, text: str) -> None:
    status, message = raw(
        shared_daemon, "POST", "/containers/create", body, **{"Content-Type": content_type}
    )
    assert status == 400
    assert text in message


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/containers/create?name=a%2Fb", SLEEP, 400, "Invalid container name (a/b)"),
        ("/containers/create", {"Image": "nosuch", "Cmd": ["a"]}, 404,
         "No such image: nosuch:latest"),
        ("/containers/create", {"Image": "BAD", "Cmd": ["a"]}, 400, "must be lowercase"),
        ("/containers/create", host(Memory=1), 400, "Minimum memory limit"),
        ("/containers/create", host(Binds=["x"]), 400, "invalid volume spec"),
        ("/containers/create", host(CapAdd=["NOPE"]), 400, "invalid capability"),
        ("/containers/create", host(VolumesFrom=["nowhere"]), 400, "No such container: nowhere"),
        ("/containers/create", host(PidMode="container:nowhere"), 400, "No such container"),
        ("/containers/nosuch/start", {}, 404, "No such container: nosuch"),
        ("/containers/nosuch/wait?condition=odd", {}, 400, 'invalid condition: "odd"'),
        ("/containers/nosuch/exec", {"Cmd": ["a"]}, 404, "No such container: nosuch"),
        ("/exec/nosuch/start", {}, 404, "No such exec instance: nosuch"),
        ("/images/nosuch/tag?repo=a", {}, 404, "No such image: nosuch:latest"),
        ("/volumes/create", {"Name": "a?b"}, 400, "includes invalid characters"),
        ("/networks/create", {"Name": "bridge"}, 403, "predefined"),
        ("/v1.23/containers/x/start", {}, 400, "client version 1.23 is too old"),
        ("/v1.99/containers/x/start", {}, 400, "client version 1.99 is too new"),
        ("/nowhere", {}, 404, "page not found"),
        ("/build", {}, 400, "unexpected EOF"),
        ("/swarm/init", {}, 501, "not supported"),
    ],
)  # fmt: skip
def test_requests(shared_daemon: Daemon, path: str, body: object, status: int, text: str) -> None:
    found, message = post(shared_daemon, path, body)
    assert (found, text in message) == (status, True), message


def test_filters_and_unknown_paths(shared_daemon: Daemon) -> None:
    for path, text in (
        ("/containers/json?filters=%7B", "invalid filter"),
        ("/containers/json?filters=%7B%22nope%22:%5B%22a%22%5D%7D", "invalid filter 'nope'"),
        ("/containers/json?limit=x", "invalid value for limit"),
        ("/images/json?filters=%5B1%5D", "invalid filter"),
        ("/events?since=tomorrow", "invalid value for time"),
    ):
        status, message = raw(shared_daemon, "GET", path, b"")
        assert (status, text in message) == (400, True), (path, message)
    assert raw(shared_daemon, "PATCH", "/containers/json", b"")[0] == 404


def hostile(*members: tuple[str, str, str]) -> bytes:
    """A tar of (type, name, link or content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind, name, value in members:
            member = tarfile.TarInfo(name)
            if kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, value
                archive.addfile(member)
            else:
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value.encode()))
    return out.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        b"not a tar at all" * 100,
        b"\x1f\x8b\x08\x00" + os.urandom(2000),
        hostile(("file", "manifest.json", "[{")),
        hostile(("file", "manifest.json", '[{"Config":"../../etc/passwd","Layers":[]}]')),
        hostile(("link", "manifest.json", "/etc/passwd")),
        hostile(("file", "index.json", "{}"), ("file", "oci-layout", "{}")),
        hostile(("file", "something", "else")),
    ],
)
def test_archives_that_are_no_images(shared_daemon: Daemon, archive: bytes) -> None:
    status, message = raw(shared_daemon, "POST", "/images/load", archive)
    assert status in (200, 400, 404), message
    assert status != 200 or "error" in message


def test_archives_stay_inside_the_container(shared_daemon: Daemon) -> None:
    made = json.loads(shared_daemon.request("POST", "/containers/create", SLEEP)[1])["Id"]
    try:
        escape = hostile(
            ("link", "out", "/../../../../../../tmp"),
            ("file", "out/wharfie-escaped", "x"),
            ("file", "../../wharfie-escaped", "x"),
            ("file", "/etc/inside", "x"),
        )
        status, message = raw(shared_daemon, "PUT", f"/containers/{made}/archive?path=/", escape)
        assert status in (200, 400), message
        assert not os.path.exists("/tmp/wharfie-escaped")
        assert not os.path.exists("/wharfie-escaped")
        truncated = hostile(("file", "big", "x" * 5000))[:2000]
        status, message = raw(shared_daemon, "PUT", f"/containers/{made}/archive?path=/", truncated)
        assert (status, bool(message)) == (400, True)
        status, message = raw(shared_daemon, "PUT", f"/containers/{made}/archive?path=/no", b"")
        assert (status, "Could not find the file /no in container" in message) == (404, True)
        status, message = raw(
            shared_daemon, "PUT", f"/containers/{made}/archive?path=/etc/passwd", b""
        )
        assert (status, "extraction point is not a directory" in message) == (400, True)
    finally:
        shared_daemon.request("DELETE", f"/containers/{made}?force=1")


def test_a_body_that_never_ends_keeps_nobody_waiting(shared_daemon: Daemon) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as endless:
        endless.connect(str(shared_daemon.socket))
        endless.sendall(
            b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(50):
            endless.sendall(b"200\r\n" + b"\0" * 512 + b"\r\n")
            assert shared_daemon.request("GET", "/_ping") == (200, b"OK")


def test_a_huge_head_is_refused(shared_daemon: Daemon) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(20)
        client.connect(str(shared_daemon.socket))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + b"a" * (4 << 20))
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100).startswith(b"HTTP/1.1 4")
