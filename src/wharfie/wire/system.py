"""Replies about the engine as a whole: version, info, disk usage.

Source: Engine API 1.51, SystemVersion, SystemInfo, SystemDataUsageResponse; behaviours 199, 200.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.wire.builds import BuildCache
from wharfie.wire.containers import ContainerSummary
from wharfie.wire.images import ImageSummary
from wharfie.wire.volumes import VolumeInspect


class PlatformName(Struct, rename="pascal", frozen=True):
    """The product."""

    name: str


class Component(Struct, rename="pascal", frozen=True):
    """One program the engine consists of."""

    name: str
    version: str
    details: dict[str, str]


class Version(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /version`."""

    platform: PlatformName
    components: list[Component]
    version: str
    api_version: str
    min_api_version: str = field(name="MinAPIVersion")
    git_commit: str
    go_version: str
    os: str
    arch: str
    kernel_version: str
    build_time: str


class Plugins(Struct, rename="pascal", frozen=True, kw_only=True):
    """Names of built-in drivers by kind."""

    volume: list[str]
    network: list[str]
    authorization: list[str] | None = None
    log: list[str]


class IndexConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """One registry as configured."""

    name: str
    mirrors: list[str]
    secure: bool
    official: bool


class RegistryConfig(Struct, frozen=True, kw_only=True):
    """How registries are reached."""

    insecure_cidrs: list[str] = field(name="InsecureRegistryCIDRs")
    index_configs: dict[str, IndexConfig] = field(name="IndexConfigs")
    mirrors: list[str] = field(name="Mirrors")


class RuntimeInfo(Struct, frozen=True):
    """One OCI runtime."""

    path: str


class Commit(Struct, frozen=True):
    """Version of a helper program."""

    id: str = field(default="", name="ID")


class Swarm(Struct, rename="pascal", frozen=True, kw_only=True):
    """Cluster state: always there, mostly inactive."""

    node_id: str = field(default="", name="NodeID")
    node_addr: str = ""
    local_node_state: str = "inactive"
    control_available: bool = False
    error: str = ""
    remote_managers: None = None


class Info(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /info`."""

    id: str = field(name="ID")
    containers: int
    containers_running: int
    containers_paused: int
    containers_stopped: int
    images: int
    driver: str
    driver_status: list[tuple[str, str]]
    plugins: Plugins
    memory_limit: bool
    swap_limit: bool
    cpu_cfs_period: bool
    cpu_cfs_quota: bool
    cpu_shares: bool = field(name="CPUShares")
    cpu_set: bool = field(name="CPUSet")
    pids_limit: bool
    oom_kill_disable: bool
    ipv4_forwarding: bool = field(name="IPv4Forwarding")
    debug: bool
    n_fd: int = field(name="NFd")
    n_goroutines: int = field(name="NGoroutines")
    system_time: str
    logging_driver: str
    cgroup_driver: str
    cgroup_version: str
    n_events_listener: int = field(name="NEventsListener")
    kernel_version: str
    operating_system: str
    os_version: str = field(name="OSVersion")
    os_type: str = field(default="linux", name="OSType")
    architecture: str
    index_server_address: str = "https://index.docker.io/v1/"
    registry_config: RegistryConfig
    n_cpu: int = field(name="NCPU")
    mem_total: int
    generic_resources: None = None
    docker_root_dir: str
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    name: str
    labels: list[str]
    experimental_build: bool = False
    server_version: str
    runtimes: dict[str, RuntimeInfo]
    default_runtime: str
    swarm: Swarm = Swarm()
    live_restore_enabled: bool
    isolation: str = ""
    init_binary: str
    containerd_commit: Commit = Commit()
    runc_commit: Commit = Commit()
    init_commit: Commit = Commit()
    security_options: list[str]
    cdi_spec_dirs: list[str] = field(default_factory=list, name="CDISpecDirs")
    warnings: list[str] | None


class DiskUsage(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /system/df`; sizes that were not asked for are null."""

    layers_size: int | None
    images: list[ImageSummary] | None
    containers: list[ContainerSummary] | None
    volumes: list[VolumeInspect] | None
    build_cache: list[BuildCache] | None
