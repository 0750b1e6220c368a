"""A1 (CVE-2024-41110, CVE-2026-34040) and A3: what the gate admits is what the engine executes.

The policy here refuses privileged containers and execs. Every attack hides one from a gate that
looks at raw bytes, sizes or paths; ours sees the decoded command. Guard off: a gate that admits
all lets the same bytes create a privileged container; a policy on raw paths is walked around.
"""

import gzip
import json
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from support.http_asking import reply_to
from support.http_services import Bench, sample_container
from support.http_serving import connected, read_reply, serving
from wharfie.api import application
from wharfie.api.routes import execs
from wharfie.model.caller import Call
from wharfie.model.container import CreateSpec
from wharfie.model.errors import Forbidden
from wharfie.web import UnixListener

PRIVILEGED = {"Image": "busybox", "HostConfig": {"Privileged": True}}
PLAIN = json.dumps(PRIVILEGED).encode()


def refuse_power(call: Call) -> None:
    if isinstance(call.command, CreateSpec) and call.command.host_config.privileged:
        raise Forbidden("no privileged containers")
    if isinstance(call.command, execs.Create):
        raise Forbidden("no execs")


def admit_all(_: Call) -> None:
    """The guard taken away."""


class World:
    """A live server on fakes, with one of the gates."""

    def __init__(self, bench: Bench, path: str) -> None:
        self.bench = bench
        self.path = path

    def send(self, data: bytes) -> int:
        """Send raw bytes; the first answer's status, 0 for a connection cut without one."""
        with connected(self.path, timeout=20) as client:
            try:
                client.sendall(data)
                return read_reply(client)[0]
            except (ConnectionError, AssertionError):
                return 0

    @property
    def privileged(self) -> int:
        """How many privileged containers the engine was told to create."""
        calls = self.bench.containers.calls
        return sum(
            1 for verb, *rest in calls if verb == "create" and rest[0].host_config.privileged
        )


def world(tmp_path_factory: pytest.TempPathFactory, gate) -> Iterator[World]:
    bench = Bench()
    bench.containers.add(sample_container())
    path = str(tmp_path_factory.mktemp("gate") / "s")
    with serving(application(bench.services, gate=gate), [UnixListener(path=path)]):
        yield World(bench, path)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world(tmp_path_factory, refuse_power)


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from world(tmp_path_factory, admit_all)


def create(body: bytes, *fields: bytes, length: bytes | None = None) -> bytes:
    sized = b"Content-Length: %d" % len(body) if length is None else length
    lines = (b"POST /v1.51/containers/create HTTP/1.1", b"Host: h", sized, *fields)
    return b"\r\n".join((*lines, b"Content-Type: application/json", b"", body))


def padded(size: int) -> bytes:
    """The body with a label that makes it `size` bytes long."""
    bare = len(json.dumps(PRIVILEGED | {"Labels": {"pad": ""}}))
    return json.dumps({"Labels": {"pad": "x" * (size - bare)}} | PRIVILEGED).encode()


def chunked(body: bytes, size: int) -> bytes:
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in cut) + b"0\r\n\r\n"


MIB = 1024 * 1024
CHUNKED = b"Transfer-Encoding: chunked"
# These are valid: with the guard off they create a privileged container.
VALID = {
    "plain": create(PLAIN),
    "chunked": create(chunked(PLAIN, 7), length=CHUNKED),
    "one MiB less one": create(padded(MIB - 1)),
    "one MiB": create(padded(MIB)),
    "one MiB and one": create(padded(MIB + 1)),
    "five MiB, chunked": create(chunked(padded(5 * MIB), 60_000), length=CHUNKED),
    "expecting": create(PLAIN, b"Expect: 100-continue"),
    "other case": create(b'{"image":"b","hostconfig":{"PRIVILEGED":true}}'),
    "twice, last one counts": create(
        b'{"Image":"b","HostConfig":{"Privileged":false},"HostConfig":{"Privileged":true}}'
    ),
    "twice in other case": create(
        b'{"Image":"b","HostConfig":{"Privileged":false,"privileged":true}}'
    ),
    "escaped key": create(b'{"Image":"b","HostConfig":{"\\u0050rivileged":true}}'),
    "with charset": create(PLAIN, b"Accept: */*").replace(b"/json\r", b"/json; charset=utf-8\r"),
    "doubled version of a field": create(PLAIN, b"X-Registry-Auth: a", b"X-Registry-Auth: b"),
}
# These are not: whatever the guard, nobody may find a privileged container in them.
INVALID = {
    "length 0, body behind": create(PLAIN, length=b"Content-Length: 0"),
    "two lengths": create(PLAIN, b"Content-Length: 0"),
    "length and chunks": create(chunked(PLAIN, 7), CHUNKED),
    "chunks and length 0": create(chunked(PLAIN, 7), CHUNKED, length=b"Content-Length: 0"),
    "64 MiB": create(padded(64 * MIB)),
    "64 MiB, chunked": create(chunked(padded(64 * MIB), MIB), length=CHUNKED),
    "compressed": create(gzip.compress(PLAIN), b"Content-Encoding: gzip"),
    "plain, said to be compressed": create(PLAIN, b"Content-Encoding: gzip"),
    "UTF-16": create(json.dumps(PRIVILEGED).encode("utf-16")),
    "UTF-16 without mark": create(json.dumps(PRIVILEGED).encode("utf-16-le")),
    "byte order mark": create(b"\xef\xbb\xbf" + PLAIN),
    "a second document": create(b'{"Image":"b"}' + PLAIN),
    "text": create(PLAIN).replace(b"application/json", b"text/plain"),
    "form": create(PLAIN).replace(b"application/json", b"application/x-www-form-urlencoded"),
    "no content type": create(PLAIN).replace(b"Content-Type: application/json\r\n", b""),
    "too deep": create(b'{"Image":"b","HostConfig":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001),
    "not a number": create(b'{"Image":"b","HostConfig":{"Privileged":true,"Memory":NaN}}'),
    "infinite": create(b'{"Image":"b","HostConfig":{"Privileged":true,"Memory":1e999}}'),
    "a string": create(b'{"Image":"b","HostConfig":{"Privileged":"true"}}'),
    "a number": create(b'{"Image":"b","HostConfig":{"Privileged":1}}'),
    "lone surrogate": create(b'{"Image":"\\ud800","HostConfig":{"Privileged":true}}'),
    "not UTF-8": create(b'{"Image":"\xff","HostConfig":{"Privileged":true}}'),
}


@pytest.mark.parametrize("name", VALID)
def test_no_valid_request_hides_from_the_gate(guarded: World, unguarded: World, name: str) -> None:
    assert guarded.send(VALID[name]) == 403
    assert guarded.privileged == 0
    before = unguarded.privileged
    assert unguarded.send(VALID[name]) == 201, "with the guard off the attack must succeed"
    assert unguarded.privileged == before + 1


@pytest.mark.parametrize("name", INVALID)
def test_what_can_be_read_twice_is_read_by_nobody(
    guarded: World, unguarded: World, name: str
) -> None:
    before = unguarded.privileged
    for one in (guarded, unguarded):
        assert one.send(INVALID[name]) in (0, 400, 403, 413, 415)
    assert (guarded.privileged, unguarded.privileged) == (0, before)


def test_the_benign_twin_is_admitted(guarded: World) -> None:
    assert guarded.send(create(b'{"Image":"busybox","HostConfig":{"Privileged":false}}')) == 201


ID = f"{1:064x}"
EXEC = "/containers/web1/exec"
CONFUSED = [
    "//containers/web1/exec",
    "/containers//web1/exec",
    "/containers/web1//exec",
    "/containers/web1/exec/",
    "/containers/./web1/exec",
    "/containers/x/../web1/exec",
    "/x/../containers/web1/exec",
    "/v1.51/../containers/web1/exec",
    "/v1.51/v1.51/containers/web1/exec",
    "/v1.51//containers/web1/exec",
    "/V1.51/containers/web1/exec",
    "/v1.51./containers/web1/exec",
    "/v9.99/containers/web1/exec",
    "/v01.51/containers/web1/exec",
    "/%2e%2e/containers/web1/exec",
    "/%63ontainers/web1/exec",
    "/containers%2fweb1%2fexec",
    "/containers/web1%2fexec",
    "/containers/web1/%65xec",
    "/containers/web1/exec%00",
    "/containers/%77eb1/exec",
    "/containers/web1;x/exec",
    "/containers/web1/exec;x",
    "/containers/web1/exec%3Fa",
    "/containers/web1/exec.",
    "/Containers/web1/exec",
    "/containers/web1/EXEC",
    f"/containers/{ID}/exec",
    f"/containers/{ID[:12]}/exec",
    "/containers/%2Fweb1/exec",
    "/v1.24/containers/web1/exec",
]


def reached(bench: Bench) -> int:
    return sum(1 for call in bench.execs.calls if call[0] == "create")


@pytest.mark.parametrize("path", [EXEC, *CONFUSED])
async def test_no_spelling_of_a_path_walks_around_the_gate(path: str) -> None:
    bench = Bench()
    bench.containers.add(sample_container())
    guarded = application(bench.services, gate=refuse_power)
    status = (await reply_to(guarded, "POST", path, {"Cmd": ["id"]})).status
    assert status in (400, 403, 404)
    assert reached(bench) == 0


async def test_with_the_guard_off_the_path_is_a_way_in() -> None:
    bench = Bench()
    bench.containers.add(sample_container())
    open_ = application(bench.services, gate=admit_all)
    assert (await reply_to(open_, "POST", EXEC, {"Cmd": ["id"]})).status == 201
    assert reached(bench) == 1


async def test_a_policy_on_raw_paths_is_walked_around() -> None:
    """What socket proxies do: look at the path, then pass on a request that is read otherwise."""
    bench = Bench()
    bench.containers.add(sample_container())
    behind = application(bench.services, gate=admit_all)
    denied = re.compile(r"(/v[\d.]+)?/containers/[^/]+/exec")
    through = []
    for path in CONFUSED:
        if denied.fullmatch(path):
            continue
        tidy = posixpath.normpath(unquote(path).replace("//", "/"))
        if (
            "\0" not in tidy
            and (await reply_to(behind, "POST", tidy, {"Cmd": ["id"]})).status == 201
        ):
            through.append(path)
    assert len(through) >= 5
