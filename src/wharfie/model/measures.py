"""What is counted and timed while the engine works: counters and histograms of actions.

Cheap enough to be always on; somebody who collects them reads a copy.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds; those of Docker and of Prometheus' libraries."""


class Durations:
    """How long one action took, each time it succeeded."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """It took so long once more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Actions:
    """Durations by action, of one kind of object; safe to use from several threads.

    Args:
        names: actions that are told of before they ever happened.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._durations = {name: Durations() for name in names}
        self._lock = threading.Lock()

    def add(self, name: str, seconds: float) -> None:
        """An action succeeded."""
        with self._lock:
            self._durations.setdefault(name, Durations()).add(seconds)

    @contextmanager
    def timed(self, *names: str) -> Iterator[None]:
        """Time a block; one that raises does not count."""
        began = time.monotonic()
        yield
        for name in names:
            self.add(name, time.monotonic() - began)

    def read(self) -> Mapping[str, tuple[Sequence[int], float]]:
        """By action: how often in each bucket, the last of them without bound; and in all."""
        with self._lock:
            return {name: ([*one.counts], one.total) for name, one in self._durations.items()}


class Measures:
    """All measures of one engine."""

    def __init__(self) -> None:
        self.containers = Actions(("changes", "commit", "create", "delete", "start"))
        self.networks = Actions(("allocate", "connect", "release"))
        self.images = Actions(("delete",))
        self.host_info = Actions(("system_info",))
        self.health_starts = Actions(("",))
        self.health_checks = 0
        self.failed_health_checks = 0
