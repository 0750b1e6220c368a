"""Metrics in Prometheus' text format, under the names Docker's registry has.

Labels are bounded: methods, routes and statuses, never what a stranger can make up. Source:
Prometheus, "Exposition formats"; Docker registry v3, `metrics/`.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from wharfie.registry.ports import Event, Outcome
from wharfie.web.reply import Response
from wharfie.web.request import Request

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, str, str, Mapping[Labels, float]]
"""Name, kind, help, and values by labels."""
Source = Callable[[], Iterable[Sample]]


class Metrics:
    """Counts. Implements `ports.Observer`.

    Args:
        sources: asked for further samples whenever somebody reads.
    """

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._sources = list(sources)
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._begun = time.time()

    def add(self, source: Source) -> None:
        """Ask another source."""
        self._sources.append(source)

    def happened(self, event: Event) -> None:
        """See `ports.Observer`."""
        self._events[str(event.kind)] += 1

    def answered(self, outcome: Outcome) -> None:
        """See `ports.Observer`."""
        route = outcome.route or "none"
        method = outcome.method if outcome.method in _METHODS else "other"
        self._requests[route, method, str(outcome.status)] += 1
        buckets = self._durations.setdefault(route, [0] * (len(_BUCKETS) + 1))
        for number, bound in enumerate(_BUCKETS):
            if outcome.seconds <= bound:
                buckets[number] += 1
        buckets[-1] += 1
        self._seconds[route] += outcome.seconds  # type: ignore[assignment] # a sum of floats
        self._sent[route] += max(outcome.sent, 0)
        self._received[route] += max(outcome.received, 0)

    async def page(self, request: Request) -> Response:  # noqa: ARG002 - a page's signature
        """Answer with everything."""
        return Response(200, self.text().encode(), CONTENT_TYPE)

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines: list[str] = []
        for sample in self._samples():
            lines.extend(_spell(*sample))
        lines.extend(self._histogram())
        return "\n".join(lines) + "\n"

    def _samples(self) -> Iterator[Sample]:
        yield (
            "registry_http_requests_total", "counter", "Requests answered",
            {(("code", code), ("handler", route), ("method", method.lower())): count
             for (route, method, code), count in self._requests.items()},
        )  # fmt: skip
        for name, what, counted in (
            ("registry_http_response_size_bytes_total", "Bytes of answers", self._sent),
            ("registry_http_request_size_bytes_total", "Bytes of requests", self._received),
        ):
            yield name, "counter", what, {(("handler", key),): n for key, n in counted.items()}
        yield (
            "registry_events_total", "counter", "What happened to content",
            {(("action", kind),): count for kind, count in self._events.items()},
        )  # fmt: skip
        for source in self._sources:
            yield from source()
        yield from _process(self._begun)

    def _histogram(self) -> Iterator[str]:
        name = "registry_http_request_duration_seconds"
        yield f"# HELP {name} Seconds until the answer began"
        yield f"# TYPE {name} histogram"
        bounds = [*map(str, _BUCKETS), "+Inf"]
        for route, counts in sorted(self._durations.items()):
            for bound, count in zip(bounds, counts, strict=True):
                yield f'{name}_bucket{{handler="{route}",le="{bound}"}} {count}'
            yield f'{name}_sum{{handler="{route}"}} {float(self._seconds[route]):.6f}'
            yield f'{name}_count{{handler="{route}"}} {counts[-1]}'


def _spell(name: str, kind: str, what: str, values: Mapping[Labels, float]) -> Iterator[str]:
    if not values:
        return
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    for labels, value in sorted(values.items()):
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        number = repr(value) if isinstance(value, float) else str(value)
        yield f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process(begun: float) -> Iterator[Sample]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    for name, kind, what, value in (
        ("process_cpu_seconds_total", "counter", "CPU seconds", usage.ru_utime + usage.ru_stime),
        ("process_resident_memory_bytes", "gauge", "Resident memory", resident),
        ("process_open_fds", "gauge", "Open descriptors", len(os.listdir("/proc/self/fd"))),
        ("process_start_time_seconds", "gauge", "Start, since the epoch", begun),
    ):
        yield name, kind, what, {(): value}
