"""How results of a health check change a container's health."""

from __future__ import annotations

from wharfie.model.health import Health, HealthResult, HealthStatus


def result(code: int, output: str = "") -> HealthResult:
    return HealthResult("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", code, output)


def follow(health: Health, *codes: int, in_start_period: bool = False, retries: int = 3) -> Health:
    for code in codes:
        health = health.after(result(code), retries=retries, in_start_period=in_start_period)
    return health


def test_b110_success_makes_healthy_and_only_enough_failures_in_a_row_unhealthy() -> None:
    assert Health().status is HealthStatus.STARTING
    assert follow(Health(), 0).status is HealthStatus.HEALTHY
    assert follow(Health(), 1, 1).status is HealthStatus.STARTING
    assert follow(Health(), 0, 1, 1).status is HealthStatus.HEALTHY
    sick = follow(Health(), 0, 1, 7, -1)
    assert (sick.status, sick.failing_streak) == (HealthStatus.UNHEALTHY, 3)
    assert follow(sick, 0) == Health(HealthStatus.HEALTHY, 0, [*sick.log[-4:], result(0)])


def test_b110_failures_in_the_start_period_count_only_after_a_first_success() -> None:
    young = follow(Health(), 1, 1, 1, 1, in_start_period=True)
    assert (young.status, young.failing_streak, len(young.log)) == (HealthStatus.STARTING, 0, 4)
    assert follow(young, 0, 1, in_start_period=True).failing_streak == 1


def test_b111_the_last_five_results_are_kept() -> None:
    assert [r.exit_code for r in follow(Health(), *range(1, 9)).log] == [4, 5, 6, 7, 8]


def test_b113_a_restart_begins_anew_and_remembers_the_log() -> None:
    again = follow(Health(), 1, 1, 1).begun()
    assert (again.status, again.failing_streak, len(again.log)) == (HealthStatus.STARTING, 0, 3)
    assert again.stopped().status is HealthStatus.UNHEALTHY
