"""The supervisor's loop: floods come last, one a turn, and in turn."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from wharfie.supervisor.loop import READ, WRITE, Loop


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """Read ends that always have something."""
    pairs = [os.pipe() for _ in range(4)]
    for _, write_end in pairs:
        os.write(write_end, b"x")
    yield [read_end for read_end, _ in pairs]
    for pair in pairs:
        for fd in pair:
            os.close(fd)


def test_a_turn_serves_all_others_and_then_one_flood(pipes: list[int]) -> None:
    loop = Loop()
    served: list[int] = []
    for number, fd in enumerate(pipes):
        loop.watch(fd, READ, lambda _events, number=number: served.append(number))
    for fd in pipes[:3]:
        loop.mark_bulk(fd)
    for _ in range(6):
        loop.turn(0)
    assert served[::2] == [3] * 6
    assert served[1::2] == [0, 1, 2, 0, 1, 2]
    for fd in pipes:
        loop.forget(fd)


def test_a_flood_that_is_forgotten_is_an_ordinary_descriptor_again(pipes: list[int]) -> None:
    loop = Loop()
    served: list[int] = []
    first, second = pipes[:2]
    for fd in (first, second):
        loop.watch(fd, READ, served.append)
        loop.mark_bulk(fd)
    for fd in (first, second):
        loop.forget(fd)
        loop.watch(fd, READ, served.append)
    loop.turn(0)
    assert len(served) == 2
    for fd in (first, second):
        loop.forget(fd)


def test_a_flood_learns_whether_others_are_served_beside_it(pipes: list[int]) -> None:
    loop = Loop()
    flood, other = pipes[:2]
    loop.watch(flood, READ, lambda _events: None)
    loop.mark_bulk(flood)
    loop.post(lambda: None)  # a write to disk that is done says so, and is nobody's wait
    ours, theirs = socket.socketpair()
    loop.watch(ours.fileno(), WRITE, lambda _events: None)  # as a client that takes the flood
    loop.turn(0)
    assert not loop.is_shared
    loop.forget(ours.fileno())
    ours.close()
    theirs.close()
    loop.watch(other, READ, lambda _events: None)
    loop.turn(0)
    assert loop.is_shared
    for fd in (flood, other):
        loop.forget(fd)
