"""Modes and times as Go prints them."""

import stat

import pytest

from wharfie.jail.container_path import go_mode, rfc3339


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 1 << 31 | 0o755),
        (stat.S_IFDIR | 0o1777, 1 << 31 | 1 << 20 | 0o777),
        (stat.S_IFREG | 0o4755, 1 << 23 | 0o755),
        (stat.S_IFREG | 0o2755, 1 << 22 | 0o755),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
        (stat.S_IFCHR | 0o600, 1 << 26 | 1 << 21 | 0o600),
        (stat.S_IFBLK | 0o600, 1 << 26 | 0o600),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
    ],
)
def test_go_modes(mode, expected) -> None:
    assert go_mode(mode) == expected


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1_500_000_000, "1969-12-31T23:59:58.5Z"),
        (1 << 62, "2116-02-20T23:53:38.427387904Z"),
        (1 << 80, "1970-01-01T00:00:00Z"),
    ],
)
def test_times(nanoseconds, expected) -> None:
    assert rfc3339(nanoseconds) == expected
