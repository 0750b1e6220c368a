"""Health checks of containers: whether there is one, its terms, and its share in the state. Pure.

Source: behaviours 109–113; moby's daemon/health.go.
"""

from __future__ import annotations

from msgspec import UNSET, Struct

from wharfie.model.container import Config, HealthConfig
from wharfie.model.health import Health

DEFAULT_SHELL = ("/bin/sh", "-c")
_DEFAULT_INTERVAL = 30.0
_DEFAULT_TIMEOUT = 30.0
_DEFAULT_START_INTERVAL = 5.0
_DEFAULT_RETRIES = 3
_NANOSECONDS = 1_000_000_000


class HealthCheck(Struct, frozen=True, kw_only=True):
    """A health check with its defaults filled in; times in seconds."""

    command: list[str]
    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int

    def pause(self, *, since_start: float, health: Health) -> float:
        """Seconds until the next run."""
        if since_start < self.start_period and health.status == "starting":
            return self.start_interval
        return self.interval


def health_check(config: Config) -> HealthCheck | None:
    """The health check of a container, None where it has none ("NONE", or never set)."""
    health = config.healthcheck
    command = None if health is UNSET else _command(health, config)
    if health is UNSET or command is None:
        return None
    return HealthCheck(
        command=command,
        interval=health.interval / _NANOSECONDS or _DEFAULT_INTERVAL,
        timeout=health.timeout / _NANOSECONDS or _DEFAULT_TIMEOUT,
        start_period=health.start_period / _NANOSECONDS,
        start_interval=health.start_interval / _NANOSECONDS or _DEFAULT_START_INTERVAL,
        retries=health.retries or _DEFAULT_RETRIES,
    )


def begun(config: Config, before: Health | None) -> Health | None:
    """The health of a container that is being started."""
    if health_check(config) is None:
        return None
    return (before or Health()).begun()


def stopped(before: Health | None) -> Health | None:
    """The health of a container that ended or was paused."""
    return None if before is None else before.stopped()


def _command(health: HealthConfig, config: Config) -> list[str] | None:
    test = health.test or []
    match test[:1]:
        case ["CMD"]:
            return test[1:]
        case ["CMD-SHELL"]:
            shell = config.shell if config.shell is not UNSET else None
            return [*(shell or DEFAULT_SHELL), *test[1:]]
        case _:
            return None
