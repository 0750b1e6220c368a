"""Sockets passed on by the service manager."""

import os
from collections.abc import Iterator

import pytest

from wharfie.daemon.config import ConfigError
from wharfie.daemon.listening import activation
from wharfie.daemon.listening.activation import Passed, close_unused, take_passed


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Two inheritable descriptors side by side; the first one's number."""
    first = 200
    null = os.open("/dev/null", os.O_RDONLY)
    for fd in (first, first + 1):
        os.dup2(null, fd, inheritable=True)
    os.close(null)
    monkeypatch.setattr(activation, "FIRST", first)
    yield first
    for fd in (first, first + 1):
        try:
            os.close(fd)
        except OSError:
            continue


def test_passed_sockets_have_numbers_and_names_and_stay_with_us(two: int) -> None:
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "api", "PATH": "/"}
    assert take_passed(environment, 7) == [Passed(two, "api"), Passed(two + 1, "")]
    assert environment == {"PATH": "/"}
    assert not os.get_inheritable(two)
    assert not os.get_inheritable(two + 1)


@pytest.mark.parametrize(
    ("pid", "count"), [("8", "2"), ("", "2"), ("7", ""), ("7", "-1"), ("7", "x"), ("7", "0")]
)
def test_what_is_meant_for_others_is_left_alone(pid: str, count: str) -> None:
    environment = {"LISTEN_PID": pid, "LISTEN_FDS": count}
    assert take_passed(environment, 7) == []
    assert environment == {}


def test_what_nobody_asked_for_is_closed(two: int) -> None:
    close_unused([Passed(two, ""), Passed(two + 1, "")], {two})
    os.fstat(two)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(two + 1)


def test_an_announced_descriptor_that_is_not_open_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activation, "FIRST", 900)
    with pytest.raises(ConfigError, match="descriptor 900 of LISTEN_FDS: Bad file descriptor"):
        take_passed({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7)
