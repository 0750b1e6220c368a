"""What every test gets: who may run, a daemon of its own, patience on a busy machine."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.daemon import Daemon

settings.register_profile(
    "wharfie",
    deadline=None,  # a shared machine stalls; pytest-timeout ends what hangs
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("wharfie")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs root without it, but never in continuous integration."""
    if item.get_closest_marker("root") is None or os.geteuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("needs root, and CI is set")
    pytest.skip("needs root")


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A running daemon with empty state, for this test alone."""
    with Daemon() as own:
        own.start()
        yield own


@pytest.fixture(scope="session")
def shared_daemon() -> Iterator[Daemon]:
    """A running daemon with a busybox image and mutual TLS, shared by all tests of a worker.

    For tests that remove what they make and neither stop nor reconfigure it.
    """
    with Daemon(tls=True) as shared:
        shared.start()
        shared.load_busybox()
        yield shared
