"""Terms of a health check: the command, and the defaults of what is left open."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.lifecycle.health import begun, health_check
from wharfie.model.container import Config, HealthConfig
from wharfie.model.health import Health, HealthStatus

SECOND = 1_000_000_000


@pytest.mark.parametrize("test", [None, [], ["NONE"], ["none of these"]])
def test_b112_there_is_no_check(test: list[str] | None) -> None:
    assert health_check(Config()) is None
    config = Config(healthcheck=HealthConfig(test=test))
    assert health_check(config) is None
    assert begun(config, None) is None


def test_b112_commands_are_run_as_they_are_or_by_the_images_shell() -> None:
    def command(*test: str, shell: list[str] | None = None) -> list[str]:
        config = Config(healthcheck=HealthConfig(test=list(test)), shell=shell or [])
        check = health_check(config)
        assert check is not None
        return check.command

    assert command("CMD", "a", "b") == ["a", "b"]
    assert command("CMD-SHELL", "a; b") == ["/bin/sh", "-c", "a; b"]
    assert command("CMD-SHELL", "a", shell=["bash", "-e", "-c"]) == ["bash", "-e", "-c", "a"]


def test_b109_defaults() -> None:
    check = health_check(Config(healthcheck=HealthConfig(test=["CMD", "true"])))
    assert check is not None
    assert (check.interval, check.timeout, check.start_period) == (30.0, 30.0, 0.0)
    assert (check.start_interval, check.retries) == (5.0, 3)


def test_b109_within_the_start_period_looks_come_at_the_start_interval() -> None:
    config = Config(
        healthcheck=HealthConfig(
            test=["CMD", "true"],
            interval=60 * SECOND,
            start_period=10 * SECOND,
            start_interval=SECOND // 2,
        )
    )
    check = health_check(config)
    assert check is not None
    assert check.pause(since_start=0, health=Health()) == 0.5
    assert check.pause(since_start=0, health=Health(HealthStatus.HEALTHY)) == 60
    assert check.pause(since_start=10, health=Health()) == 60
