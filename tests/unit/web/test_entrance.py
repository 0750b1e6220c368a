"""Who is let in, and how many."""

import socket

import pytest

from wharfie.web.entrance import Entrance


def test_each_kind_has_its_own_limit() -> None:
    entrance = Entrance(2, None)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        entrance.entered("tcp")
        assert entrance.admits(tcp, "")
        entrance.entered("tcp")
        assert not entrance.admits(tcp, "")
        assert entrance.admits(unix, "")
        entrance.left("tcp")
        assert entrance.admits(tcp, "")


def test_the_barrier_is_asked_about_tcp_only() -> None:
    asked = []

    def barrier(connection: socket.socket, bound: str) -> str:
        asked.append((connection.family, bound))
        return "no"

    entrance = Entrance(2, barrier)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        assert not entrance.admits(tcp, "0.0.0.0")
        assert entrance.admits(unix, "")
    assert asked == [(socket.AF_INET, "0.0.0.0")]


def test_a_reason_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    entrance = Entrance(0, None, clock=lambda: now[0])
    with socket.socket() as tcp:
        for second in (0, 1, 59, 60, 61):
            now[0] = second
            entrance.admits(tcp, "")
    assert len(caplog.messages) == 2
