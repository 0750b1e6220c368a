"""Info and version. Source: behaviours 199, 200."""

from __future__ import annotations

from msgspec import Struct, field


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
    containers_running: int
    containers_paused: int
    containers_stopped: int
    images: int
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
    file_descriptors: int
    event_listeners: int
    labels: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    insecure_registries: list[str] = field(default_factory=list)
    registry_mirrors: list[str] = field(default_factory=list)
    limits: dict[str, bool] = field(default_factory=dict)


class System:
    """Verbs on the engine as a whole."""

    def info(self) -> SystemInfo:
        """A snapshot of facts; never blocks."""
        raise NotImplementedError

    def version(self) -> VersionInfo:
        """Versions of the engine and what it runs on."""
        raise NotImplementedError
