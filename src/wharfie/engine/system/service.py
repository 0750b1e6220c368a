"""Info and version. Source: behaviours 199, 200."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field, structs

from wharfie.engine.events import EventBus
from wharfie.model.container import Container, Status


class VersionInfo(Struct, frozen=True, kw_only=True):
    """Facts of `GET /version`; components are (name, version, details)."""

    version: str
    git_commit: str
    kernel_version: str
    architecture: str
    build_time: str
    components: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


class SystemInfo(Struct, frozen=True, kw_only=True):
    """Facts of `GET /info`; sizes in bytes. `wire/` spells them out."""

    id: str
    name: str
    containers_running: int = 0
    containers_paused: int = 0
    containers_stopped: int = 0
    images: int = 0
    kernel_version: str
    operating_system: str
    os_version: str
    architecture: str
    cpus: int
    memory: int
    data_root: str
    server_version: str
    cgroup_driver: str
    cgroup_version: str
    default_runtime: str
    runtimes: dict[str, str]
    security_options: list[str]
    storage_driver: str
    storage_status: list[tuple[str, str]]
    log_driver: str
    debug: bool
    live_restore: bool = True
    file_descriptors: int = 0
    event_listeners: int = 0
    labels: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    insecure_registries: list[str] = field(default_factory=list)
    registry_mirrors: list[str] = field(default_factory=list)
    limits: dict[str, bool] = field(default_factory=dict)
    experimental: bool = False
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""


class System:
    """Verbs on the engine as a whole."""

    def __init__(
        self,
        *,
        base: SystemInfo,
        version: VersionInfo,
        containers: Callable[[], Sequence[Container]],
        images: Callable[[], int],
        file_descriptors: Callable[[], int],
        warnings: Callable[[], Sequence[str]] = list,
        events: EventBus,
    ) -> None:
        """Take the facts that never change, and where to find the others."""
        self._base = base
        self._version = version
        self._containers = containers
        self._images = images
        self._file_descriptors = file_descriptors
        self._warnings = warnings
        self._events = events

    def info(self) -> SystemInfo:
        """A snapshot of facts; never blocks."""
        states = Counter(record.state.status for record in self._containers())
        running = states[Status.RUNNING] + states[Status.RESTARTING]
        return structs.replace(
            self._base,
            containers_running=running,
            containers_paused=states[Status.PAUSED],
            containers_stopped=states.total() - running - states[Status.PAUSED],
            images=self._images(),
            file_descriptors=self._file_descriptors(),
            warnings=[*self._base.warnings, *self._warnings()],
            event_listeners=self._events.listeners,
        )

    def reloaded(self, attributes: dict[str, str], **changes: object) -> None:
        """The daemon's configuration changed: show the new facts, tell subscribers.

        Args:
            attributes: of the event `daemon reload`.
            changes: fields of `SystemInfo` and their new values.
        """
        self._base = structs.replace(self._base, **changes)
        self._events.publish(
            "daemon", "reload", self._base.id, {"name": self._base.name, **attributes}
        )

    def version(self) -> VersionInfo:
        """Versions of the engine and what it runs on."""
        return self._version
