"""A2, request smuggling and hijack desync: every byte stream has one reading, or none.

Guard off: with a head parser as lenient as many are, the hidden request is executed.
"""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.http_services import Bench, sample_container
from support.http_serving import connected, serving
from support.smuggling import CORPUS, HONEST, VICTIM
from wharfie.api import application
from wharfie.web import Hijack, Request, Response, UnixListener
from wharfie.web.connection import Connection
from wharfie.web.head import Head, HeadParser

# What need not be 4xx: these say that the server does not speak it.
NOT_SPOKEN = {501, 505}
# Attached to a container that has not started: they wait for it, as they should.
TAKEN_OVER = {"line: behind an upgrade", "line: behind an upgrade with a body"}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def served(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("smuggling") / "s")
    bench.containers.add(sample_container(name="victim"))
    with serving(application(bench.services), [UnixListener(path=path)]):
        yield path


def converse(address: object, data: bytes, *, patience: float = 10) -> bytes:
    """Send all, end this direction, and return all that is answered until the server ends too."""
    answered = b""
    with connected(address, timeout=patience) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                answered += piece
        except ConnectionError:
            pass
    return answered


def statuses(answered: bytes) -> list[int]:
    return [int(part[:3]) for part in answered.split(b"HTTP/1.1 ")[1:] if part[:3] not in (b"100",)]


def removals(bench: Bench) -> int:
    return sum(1 for call in bench.containers.calls if call[0] == "remove")


@pytest.mark.parametrize("name", CORPUS)
def test_a_hidden_request_is_not_executed(served: str, bench: Bench, name: str) -> None:
    before = removals(bench)
    found = statuses(converse(served, CORPUS[name]))
    assert removals(bench) == before
    assert all(status < 500 or status in NOT_SPOKEN for status in found), found
    assert len(found) <= 1, "one interpretation, one answer"


@pytest.mark.parametrize("name", HONEST)
def test_two_requests_to_every_reader_are_two(served: str, bench: Bench, name: str) -> None:
    before = removals(bench)
    assert len(statuses(converse(served, HONEST[name]))) == 2
    assert removals(bench) == before + 1


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_the_cut_of_segments_changes_nothing(served: str, bench: Bench, cut: int) -> None:
    """A reading must not depend on how the bytes arrive."""
    before = removals(bench)
    for data in list(CORPUS.values())[:: 4 * cut]:
        with connected(served, timeout=10) as client:
            try:
                for start in range(0, len(data), cut):
                    client.sendall(data[start : start + cut])
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except ConnectionError:
                continue
    assert removals(bench) == before


def lenient(_: HeadParser, data: bytes) -> Head:
    """A head as too many programs read it: any line end, the first length, no codings."""
    lines = data.replace(b"\r\n", b"\n").decode("latin-1").split("\n")
    method, target, *_rest = lines[0].split()
    fields = dict(line.lower().split(":", 1) for line in reversed(lines[1:]) if ":" in line)
    headers = {name.strip(): value.strip() for name, value in fields.items()}
    digits = "".join(c for c in headers.get("content-length", "0").split(",")[0] if c.isdigit())
    path, _, query = target.partition("?")
    return Head(
        method=method,
        path=path,
        query=query,
        headers=headers,
        length=int(digits or 0),
        upgrade="",
        expects=False,
        is_http_10=False,
        keep_alive=True,
    )


@pytest.mark.parametrize(
    "name",
    [
        "length: two lengths",
        "length: list of lengths",
        "length: hexadecimal",
        "line: HTTP/1.2",
        "line: two hosts",
    ],
)
def test_with_the_guard_off_it_is_executed(
    served: str, bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeadParser, "parse", lenient)
    before = removals(bench)
    converse(served, CORPUS[name])
    assert removals(bench) > before


async def answer(connection: Connection, request: Request, _: Hijack) -> None:
    """Answers a take-over, and goes on reading requests."""
    connection._respond(request, Response(200))


def test_with_the_guard_off_an_upgrade_hides_a_request(
    served: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeadParser, "parse", lenient)
    monkeypatch.setattr(Connection, "_hijack", answer)
    before = removals(bench)
    converse(served, CORPUS["line: behind an upgrade"])
    assert removals(bench) > before


@pytest.mark.root
def test_the_whole_corpus_against_a_live_daemon(shared_daemon: Daemon) -> None:
    """No 5xx without a cause, no traceback, no hang; the victim lives."""
    daemon = shared_daemon
    daemon.json("POST", "/containers/create?name=victim", {"Image": "busybox", "Cmd": ["true"]})
    try:
        for name, data in CORPUS.items():
            if name in TAKEN_OVER:
                with contextlib.suppress(TimeoutError):
                    converse(str(daemon.socket), data, patience=0.5)
                found = []
            else:
                found = statuses(converse(str(daemon.socket), data))
            assert all(status < 500 or status in NOT_SPOKEN for status in found), (name, found)
            assert daemon.request("GET", "/containers/victim/json")[0] == 200, name
        assert "Traceback" not in daemon.log()
        converse(str(daemon.socket), HONEST["pipelined"])
        assert daemon.request("GET", "/containers/victim/json")[0] == 404
    finally:
        daemon.request("DELETE", "/containers/victim?force=1")


def test_the_victim_is_what_all_of_them_hide() -> None:
    assert all(VICTIM[:-2] in data for data in CORPUS.values())
