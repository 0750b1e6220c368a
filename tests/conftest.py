"""What every test gets: who may run, and how property tests behave on a busy machine."""

import os

import pytest
from hypothesis import HealthCheck, settings

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
