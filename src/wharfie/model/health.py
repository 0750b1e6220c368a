"""The health of a container: its states, its last results, and how one result changes it.

    starting ──success──▶ healthy ◀──success── unhealthy
        └────── `retries` failures in a row ──────▲

A failure within the start period counts only once there was a success. Source: behaviours
109–114; Engine API 1.51, definitions Health, HealthcheckResult.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, structs

LOG_LENGTH = 5
"""Results kept."""


class HealthStatus(StrEnum):
    """How a container is; one without a health check has none of these."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class HealthResult(Struct, rename="pascal", frozen=True):
    """One run of a health check; times as RFC 3339, exit code -1 when it had none."""

    start: str
    end: str
    exit_code: int
    output: str


class Health(Struct, rename="pascal", frozen=True):
    """The health of a container that has a health check and was started."""

    status: HealthStatus = HealthStatus.STARTING
    failing_streak: int = 0
    log: list[HealthResult] = []

    def begun(self) -> Health:
        """The container is started (again): what was is only remembered in the log."""
        return structs.replace(self, status=HealthStatus.STARTING, failing_streak=0)

    def stopped(self) -> Health:
        """Nobody looks any more; Docker calls that unhealthy."""
        return structs.replace(self, status=HealthStatus.UNHEALTHY)

    def after(self, result: HealthResult, *, retries: int, in_start_period: bool) -> Health:
        """The health once `result` is known.

        Args:
            result: of the run that ended.
            retries: failures in a row that make a container unhealthy.
            in_start_period: the run began within the start period.
        """
        log = [*self.log, result][-LOG_LENGTH:]
        if result.exit_code == 0:
            return Health(HealthStatus.HEALTHY, 0, log)
        if in_start_period and self.status is HealthStatus.STARTING:
            return structs.replace(self, log=log)
        streak = self.failing_streak + 1
        status = HealthStatus.UNHEALTHY if streak >= retries else self.status
        return Health(status, streak, log)
