"""The page for Prometheus, under dockerd's names. Source: daemon.md 9, dockerd 28.5's page."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence

from wharfie.engine.events import EventBus
from wharfie.engine.system.service import SystemInfo
from wharfie.formats.exposition import Family, Sample, encode_families
from wharfie.model.measures import BOUNDS, Actions, Measures

_ENGINE = "engine_daemon_"


class Metrics:
    """Collects everything that is measured.

    Args:
        measures: counted by the engine as it works.
        info: facts of this engine.
        events: the bus.
    """

    def __init__(
        self, measures: Measures, info: Callable[[], SystemInfo], events: EventBus
    ) -> None:
        self._measures = measures
        self._info = info
        self._events = events

    def page(self) -> bytes:
        """All of it, as text."""
        return encode_families([*self._engine(), *_process()])

    def _engine(self) -> list[Family]:
        measures, info = self._measures, self._info()
        facts = {
            "architecture": info.architecture,
            "commit": "",
            "daemon_id": info.id,
            "graphdriver": info.storage_driver,
            "kernel": info.kernel_version,
            "os": info.operating_system,
            "os_type": "linux",
            "os_version": info.os_version,
            "version": info.server_version,
        }
        states = {
            "paused": info.containers_paused,
            "running": info.containers_running,
            "stopped": info.containers_stopped,
        }
        return [
            _actions(
                "container_actions_seconds",
                "The number of seconds it takes to process each container action",
                measures.containers,
            ),
            Family(
                f"{_ENGINE}container_states_containers",
                "gauge",
                "The count of containers in various states",
                [Sample(number, {"state": name}) for name, number in states.items()],
            ),
            _one(
                "engine_cpus_cpus",
                "gauge",
                "The number of cpus that the host system of the engine has",
                info.cpus,
            ),
            Family(
                f"{_ENGINE}engine_info",
                "gauge",
                "The information related to the engine and the OS it is running on",
                [Sample(1, facts)],
            ),
            _one(
                "engine_memory_bytes",
                "gauge",
                "The number of bytes of memory that the host system of the engine has",
                info.memory,
            ),
            _one(
                "events_subscribers_total",
                "gauge",
                "The number of current subscribers to events",
                self._events.listeners,
            ),
            _one("events_total", "counter", "The number of events logged", self._events.published),
            _actions(
                "health_check_start_duration_seconds",
                "The number of seconds it takes to prepare to run health checks",
                measures.health_starts,
                label="",
            ),
            _one(
                "health_checks_failed_total",
                "counter",
                "The total number of failed health checks",
                measures.failed_health_checks,
            ),
            _one(
                "health_checks_total",
                "counter",
                "The total number of health checks",
                measures.health_checks,
            ),
            _actions(
                "host_info_functions_seconds",
                "The number of seconds it takes to call functions gathering info about the host",
                measures.host_info,
                label="function",
            ),
            _actions(
                "image_actions_seconds",
                "The number of seconds it takes to process each image action",
                measures.images,
            ),
            _actions(
                "network_actions_seconds",
                "The number of seconds it takes to process each network action",
                measures.networks,
            ),
        ]


def _one(name: str, kind: str, told: str, value: float) -> Family:
    return Family(f"{_ENGINE}{name}", kind, told, [Sample(value)])


def _actions(name: str, told: str, actions: Actions, *, label: str = "action") -> Family:
    samples: list[Sample] = []
    for action, (counts, total) in sorted(actions.read().items()):
        labels = {label: action} if label else {}
        seen = 0
        for bound, count in zip((*BOUNDS, float("inf")), counts, strict=True):
            seen += count
            spelt = "+Inf" if bound == float("inf") else f"{bound:g}"
            samples.append(Sample(seen, {**labels, "le": spelt}, "_bucket"))
        samples += [Sample(total, labels, "_sum"), Sample(seen, labels, "_count")]
    return Family(f"{_ENGINE}{name}", "histogram", told, samples)


def _process() -> Sequence[Family]:
    """This process, as Prometheus' own libraries tell of theirs. Source: proc(5)."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(") ")[2].split()
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with open("/proc/uptime", encoding="ascii") as file:
        boot = time.time() - float(file.read().split()[0])
    told: list[tuple[str, str, str, float]] = [
        (
            "cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (int(fields[11]) + int(fields[12])) / ticks,
        ),
        ("max_fds", "gauge", "Maximum number of open file descriptors.", most_files),
        ("open_fds", "gauge", "Number of open file descriptors.", len(os.listdir("/proc/self/fd"))),
        (
            "resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            int(fields[21]) * page,
        ),
        (
            "start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            round(boot + int(fields[19]) / ticks, 2),
        ),
        ("virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", int(fields[20])),
    ]
    return [
        Family(f"process_{name}", kind, words, [Sample(value)]) for name, kind, words, value in told
    ]
