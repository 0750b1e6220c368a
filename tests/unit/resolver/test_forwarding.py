"""Questions passed on: other servers' turns, and answers that do not fit."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from wharfie.formats.network import dns
from wharfie.resolver import forwarding
from wharfie.resolver.forwarding import Forwarder
from wharfie.resolver.upstream import servers_of
from wharfie.supervisor.loop import Loop


def question(name: str) -> bytes:
    header = struct.pack(">6H", 77, 0x0100, 1, 0, 0, 0)
    return header + dns.encode_name(name) + struct.pack(">HH", dns.A, 1)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


@pytest.fixture
def forwarders() -> Iterator[list[Forwarder]]:
    made: list[Forwarder] = []
    yield made
    for one in made:
        one.close()


def asked(
    loop: Loop, server: socket.socket, forwarders: list[Forwarder], *servers: str
) -> list[bytes]:
    """Ask once; the answers go to the list that is returned."""
    answers: list[bytes] = []
    data = question("www.example.test")
    forwarder = Forwarder(loop, -1, port=server.getsockname()[1])
    forwarders.append(forwarder)
    forwarder.ask(
        dns.parse_query(data),
        data,
        servers_of(servers or ["127.0.0.1"], host=True),
        namespace=lambda: -1,
        tcp=False,
        done=answers.append,
    )
    return answers


def answer_to(data: bytes, *, code: int = 0, number: int | None = None) -> bytes:
    whole = dns.answer(dns.parse_query(data), [], code=code)
    return whole if number is None else dns.renumber(whole, number)


def test_f6_every_question_has_a_port_and_a_number_of_its_own(
    server: socket.socket, forwarders: list[Forwarder]
) -> None:
    loop = Loop()
    seen = set()
    for _ in range(40):
        asked(loop, server, forwarders)
        data, peer = server.recvfrom(512)
        seen.add((data[:2], peer[1]))
    assert len({number for number, _ in seen}) > 30
    assert len({port for _, port in seen}) > 30


def test_f6_a_guessed_answer_is_not_believed(
    server: socket.socket, forwarders: list[Forwarder]
) -> None:
    loop = Loop()
    answers = asked(loop, server, forwarders)
    data, peer = server.recvfrom(512)
    number = int.from_bytes(data[:2], "big")
    server.sendto(answer_to(data, number=number ^ 1), peer)
    loop.turn(1)
    other = question("bank.example.test")
    server.sendto(dns.renumber(answer_to(other), number), peer)
    loop.turn(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.sendto(answer_to(data), peer)
        loop.turn(0.05)
    assert answers == []
    server.sendto(answer_to(data), peer)
    loop.turn(1)
    assert [one[:2] for one in answers] == [struct.pack(">H", 77)]


def test_a_failing_server_is_followed_by_the_next(
    server: socket.socket, forwarders: list[Forwarder]
) -> None:
    loop = Loop()
    answers = asked(loop, server, forwarders, "127.0.0.1", "127.0.0.1")
    data, peer = server.recvfrom(512)
    server.sendto(answer_to(data, code=dns.SERVER_FAILURE), peer)
    loop.turn(1)
    data, peer = server.recvfrom(512)
    assert answers == []
    server.sendto(answer_to(data, code=dns.NAME_ERROR), peer)
    loop.turn(1)
    assert dns.response_code(answers[0]) == dns.NAME_ERROR


def test_silence_ends_in_a_failure(
    server: socket.socket, forwarders: list[Forwarder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "_PATIENCE", 0.02)
    loop = Loop()
    answers = asked(loop, server, forwarders)
    for _ in range(50):
        if answers:
            break
        loop.turn(0.05)
    assert dns.response_code(answers[0]) == dns.SERVER_FAILURE
