"""Bounds that fit the descriptors this process may have."""

import resource

import pytest

from wharfie.daemon.listening.limits import connection_limits


@pytest.mark.parametrize(
    ("hard", "connections"),
    [(resource.RLIM_INFINITY, 16384), (1 << 20, 16384), (20000, 14232), (1024, 256)],
)
def test_connections_fit_the_descriptors(
    monkeypatch: pytest.MonkeyPatch, hard: int, connections: int
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: given.append(pair))
    assert connection_limits().connections == connections
    assert given[0][0] <= 1 << 17
