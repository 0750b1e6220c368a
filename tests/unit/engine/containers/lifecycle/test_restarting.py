"""When a container is started again by itself."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.lifecycle.restarting import (
    delay,
    should_restart,
    should_start_at_boot,
)
from wharfie.model.container import RestartPolicy


@pytest.mark.parametrize(
    ("name", "limit", "code", "stopped", "restarts", "expected"),
    [
        ("no", 0, 1, False, 0, False),
        ("always", 0, 0, False, 99, True),
        ("always", 0, 0, True, 0, False),
        ("unless-stopped", 0, 0, False, 0, True),
        ("on-failure", 0, 0, False, 0, False),
        ("on-failure", 0, 1, False, 50, True),
        ("on-failure", 2, 1, False, 1, True),
        ("on-failure", 2, 1, False, 2, False),
    ],
)
def test_policies_after_an_exit(
    name: str, limit: int, code: int, stopped: bool, restarts: int, expected: bool
) -> None:
    policy = RestartPolicy(name, limit)
    decided = should_restart(policy, exit_code=code, manually_stopped=stopped, restarts=restarts)
    assert decided is expected


@pytest.mark.parametrize(
    ("name", "code", "stopped", "expected"),
    [
        ("always", 0, True, True),
        ("unless-stopped", 0, True, False),
        ("unless-stopped", 0, False, True),
        ("on-failure", 1, False, True),
        ("on-failure", 0, False, False),
        ("no", 1, False, False),
    ],
)
def test_policies_at_boot(name: str, code: int, stopped: bool, expected: bool) -> None:
    decided = should_start_at_boot(
        RestartPolicy(name), exit_code=code, manually_stopped=stopped, restarts=0
    )
    assert decided is expected


def test_restarts_that_are_used_up_are_used_up_at_boot_too() -> None:
    policy = RestartPolicy("on-failure", 2)
    decided = [
        should_start_at_boot(policy, exit_code=1, manually_stopped=False, restarts=count)
        for count in (1, 2)
    ]
    assert decided == [True, False]


def test_the_delay_doubles_up_to_a_minute() -> None:
    assert [delay(n) for n in (0, 1, 2, 9, 10, 1000)] == [0.1, 0.2, 0.4, 51.2, 60.0, 60.0]
