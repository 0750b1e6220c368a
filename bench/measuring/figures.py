"""Figures and their floors: measured alternately in one run, printed as one table.

A floor is the same work with nothing in between (a bare `crun run`, a server that answers with
constant bytes); it moves with the load of the machine as the figure does, so their ratio says
more than either.
"""

import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[], float | None]
"""Does the work once; returns what it measured, or None to be timed by the clock."""


@dataclass
class Figure:
    """Samples of a figure and of its floor; `unit` is of both."""

    name: str
    unit: str
    samples: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    floor_name: str = ""
    problem: str = ""


def percentile(samples: list[float], share: float) -> float:
    """The smallest sample that is not exceeded by `share` of all."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Bench:
    """Collects figures; `bound` seconds are the most that one figure may take."""

    def __init__(self, title: str, *, bound: float = 60) -> None:
        self.title = title
        self.figures: list[Figure] = []
        self._bound = bound

    def measure(
        self,
        name: str,
        work: Work,
        *,
        floor: Work | None = None,
        floor_name: str = "",
        rounds: int = 30,
        warm_up: int = 2,
        unit: str = "ms",
    ) -> None:
        """Run work and floor in turn; a failing one is reported, and the others go on."""
        figure = Figure(name, unit, floor_name=floor_name)
        self.figures.append(figure)
        print(f"  {name} ...", file=sys.stderr, flush=True)
        end = time.monotonic() + self._bound
        try:
            for round_ in range(-warm_up, rounds):
                if round_ > 0 and time.monotonic() > end:
                    break
                sample = timed(work)
                bottom = timed(floor) if floor else None
                if round_ >= 0:
                    figure.samples.append(sample)
                    if bottom is not None:
                        figure.floor.append(bottom)
        except (OSError, RuntimeError, AssertionError) as error:
            figure.problem = f"{type(error).__name__}: {error}"[:200]

    def report(self) -> int:
        """Print the table; returns the exit status, 1 if a figure could not be taken."""
        print(f"\n{self.title}   (load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs)")
        header = f"{'figure':<34}{'p50':>10}{'p95':>10}{'n':>5}"
        header += f"  {'floor':>10}{'ratio':>7}{'best':>7}  of"
        print(header)
        print("-" * len(header))
        for figure in self.figures:
            print(_row(figure))
        return int(any(figure.problem for figure in self.figures))


def timed(work: Work) -> float:
    """Milliseconds that `work` took, or what it says itself."""
    start = time.perf_counter()
    own = work()
    return (time.perf_counter() - start) * 1000 if own is None else own


def _row(figure: Figure) -> str:
    name = f"{figure.name} [{figure.unit}]"
    if figure.problem or not figure.samples:
        return f"{name:<34}failed: {figure.problem or 'no sample'}"
    middle = statistics.median(figure.samples)
    row = f"{name:<34}{middle:>10.4g}{percentile(figure.samples, 0.95):>10.4g}"
    row += f"{len(figure.samples):>5}"
    if figure.floor:
        bottom = statistics.median(figure.floor)
        row += f"  {bottom:>10.4g}{middle / bottom if bottom else 0:>7.2f}"
        row += f"{_best(figure):>7.2f}  {figure.floor_name}"
    return row


def _best(figure: Figure) -> float:
    """The ratio of the best samples: what is left of it on a machine that others use, too."""
    choose = max if figure.unit.endswith("/s") else min
    bottom = choose(figure.floor)
    return choose(figure.samples) / bottom if bottom else 0
