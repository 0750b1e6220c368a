"""Automatic restarts: whether, and after how long. Source: behaviours 62, 63."""

from __future__ import annotations

from wharfie.model.container import RestartPolicy

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 60.0
STABLE_AFTER = 10.0
"""Seconds of running after which the delay starts again from the first."""


def should_restart(
    policy: RestartPolicy, *, exit_code: int, manually_stopped: bool, restarts: int
) -> bool:
    """Tell whether a container that ended is started again."""
    if manually_stopped:
        return False
    match policy.name:
        case "always" | "unless-stopped":
            return True
        case "on-failure":
            limit = policy.maximum_retry_count
            return exit_code != 0 and (limit == 0 or restarts < limit)
        case _:
            return False


def should_start_at_boot(
    policy: RestartPolicy, *, exit_code: int, manually_stopped: bool, restarts: int
) -> bool:
    """Tell whether a container that does not run is started with the engine.

    Only "always" overrules somebody's stop; a failed container that has used up its restarts
    stays as it is.
    """
    match policy.name:
        case "always":
            return True
        case "unless-stopped":
            return not manually_stopped
        case "on-failure":
            return should_restart(
                policy, exit_code=exit_code, manually_stopped=manually_stopped, restarts=restarts
            )
        case _:
            return False


def delay(failures: int) -> float:
    """Seconds before restart number `failures` (0 for the first) in a row."""
    return min(_FIRST_DELAY * float(1 << min(failures, 20)), _LONGEST_DELAY)
