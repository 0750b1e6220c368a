"""Containers: what a client asks for, what the engine records, what state it is in.

`Config` and `HostConfig` are the documents Docker itself stores and echoes, defined once, here;
`wire/` adds request and reply envelopes. A field defaulting to UNSET is left out of replies
when nobody set it, one defaulting to None is sent as null (Go's omitempty and its absence).
Records are frozen: a change is `msgspec.structs.replace` and a commit.

Source: Engine API 1.51, definitions ContainerConfig, HostConfig, ContainerState, MountPoint.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.health import Health
from wharfie.model.ids import ContainerId, ImageId
from wharfie.model.network import EndpointSettings, NetworkAttachment, PortBinding

EmptyObject = dict[str, Any]
NEVER = "0001-01-01T00:00:00Z"
"""How the API spells a time that has not come (Go's zero time)."""


class HealthConfig(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """A health check; durations in nanoseconds, zero inherits."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Config(Struct, rename="pascal", frozen=True, kw_only=True):
    """What does not depend on the host: the part of a container an image can preset."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, EmptyObject] | UnsetType = UNSET
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | None = None
    healthcheck: HealthConfig | UnsetType = UNSET
    args_escaped: bool | UnsetType = UNSET
    image: str = ""
    volumes: dict[str, EmptyObject] | None = None
    working_dir: str = ""
    entrypoint: list[str] | None = None
    network_disabled: bool | UnsetType = UNSET
    mac_address: str | UnsetType = UNSET
    on_build: list[str] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str | UnsetType = UNSET
    stop_timeout: int | UnsetType = UNSET
    shell: list[str] | UnsetType = UNSET


class RestartPolicy(Struct, rename="pascal", frozen=True):
    """When the engine starts a container again by itself."""

    name: str = "no"
    maximum_retry_count: int = 0


class LogConfig(Struct, rename="pascal", frozen=True):
    """Log driver and its options."""

    type: str = ""
    config: dict[str, str] = field(default_factory=dict)


class DeviceMapping(Struct, rename="pascal", frozen=True):
    """A host device given to the container."""

    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = "rwm"


class DeviceRequest(Struct, rename="pascal", frozen=True):
    """A request for devices by driver or capability."""

    driver: str = ""
    count: int = 0
    device_ids: list[str] | None = field(default=None, name="DeviceIDs")
    capabilities: list[list[str]] | None = None
    options: dict[str, str] | None = None


class Ulimit(Struct, rename="pascal", frozen=True):
    """One resource limit, `-1` for unlimited."""

    name: str
    soft: int = 0
    hard: int = 0


class WeightDevice(Struct, rename="pascal", frozen=True):
    """Block I/O weight of one device."""

    path: str
    weight: int = 0


class ThrottleDevice(Struct, rename="pascal", frozen=True):
    """Block I/O rate of one device, bytes or operations a second."""

    path: str
    rate: int = 0


class BindOptions(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Options of a bind mount."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class VolumeDriverConfig(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Driver of a volume made on the fly."""

    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Options of a volume mount."""

    no_copy: bool = False
    labels: dict[str, str] | None = None
    subpath: str = ""
    driver_config: VolumeDriverConfig | None = None


class TmpfsOptions(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Options of a tmpfs mount; size in bytes, mode as Unix permission bits."""

    size_bytes: int = 0
    mode: int = 0
    options: list[list[str]] | None = None


class ImageOptions(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Options of an image mount."""

    subpath: str = ""


class MountSpec(Struct, rename="pascal", frozen=True, omit_defaults=True, kw_only=True):
    """One `--mount`, as the client wrote it."""

    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    tmpfs_options: TmpfsOptions | None = None
    image_options: ImageOptions | None = None


class HostConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """What ties a container to this host."""

    binds: list[str] | None = None
    container_id_file: str = field(default="", name="ContainerIDFile")
    log_config: LogConfig = LogConfig()
    network_mode: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: list[str] | None = None
    console_size: list[int] = field(default_factory=lambda: [0, 0])
    annotations: dict[str, str] | UnsetType = UNSET
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    cgroupns_mode: str = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: list[str] | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: list[str] | None = None
    storage_opt: dict[str, str] | UnsetType = UNSET
    tmpfs: dict[str, str] | UnsetType = UNSET
    uts_mode: str = field(default="", name="UTSMode")
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] | UnsetType = UNSET
    runtime: str = ""
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: list[WeightDevice] | None = None
    blkio_device_read_bps: list[ThrottleDevice] | None = None
    blkio_device_write_bps: list[ThrottleDevice] | None = None
    blkio_device_read_iops: list[ThrottleDevice] | None = field(
        default=None, name="BlkioDeviceReadIOps"
    )
    blkio_device_write_iops: list[ThrottleDevice] | None = field(
        default=None, name="BlkioDeviceWriteIOps"
    )
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[DeviceRequest] | None = None
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    pids_limit: int | None = None
    ulimits: list[Ulimit] | None = None
    cpu_count: int = 0
    cpu_percent: int = 0
    io_maximum_iops: int = field(default=0, name="IOMaximumIOps")
    io_maximum_bandwidth: int = field(default=0, name="IOMaximumBandwidth")
    mounts: list[MountSpec] | UnsetType = UNSET
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None
    init: bool | UnsetType = UNSET


class Status(StrEnum):
    """The states a container can be in. Source: behaviours 51; there is no `stopped`."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class State(Struct, frozen=True, kw_only=True):
    """The changing part of a container.

    Times are RFC 3339 with nanoseconds, UTC, or NEVER. `starting` is the recorded intent to
    start: between it and `running` stand the effects recovery has to undo or adopt. `is_held`
    marks a pause by the engine itself, for the time of a commit. `health` is None without a
    health check, and before the first start.
    """

    status: Status = Status.CREATED
    starting: bool = False
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: str = NEVER
    finished_at: str = NEVER
    manually_stopped: bool = False
    is_held: bool = False
    restart_count: int = 0
    health: Health | None = None


class MountPoint(Struct, rename="pascal", frozen=True, kw_only=True):
    """A resolved mount of a container, as inspect shows it."""

    type: str
    name: str | UnsetType = UNSET
    source: str = ""
    destination: str = ""
    driver: str | UnsetType = UNSET
    mode: str = ""
    rw: bool = field(default=True, name="RW")
    propagation: str = ""


class Container(Struct, frozen=True, kw_only=True):
    """One container: everything the engine must not forget about it.

    Attributes:
        created: RFC 3339 with nanoseconds, UTC.
        created_at: the same moment in nanoseconds since the epoch, for sorting and filters.
        path: the program that runs, after entrypoint and cmd are joined.
        args: its arguments.
        image: `sha256:` ID of the image; "" for none.
        image_ref: the reference used at create.
        mounts: resolved mount points, sorted by destination depth.
        mount_specs: what a mount point does not tell of its mount, by destination; the source of
            an image mount is the image's ID.
        links: legacy links: alias → the linked container.
        anonymous_volumes: names of volumes that `rm -v` and auto-removal take along.
        networks: requested settings and, while running, the operational ones, by network name.
        ports: published ports while running: "80/tcp" → bindings (None: exposed only).
        sandbox_id: the network sandbox while running, "" otherwise.
        log_path: absolute path of the json-file log, "" for other drivers.
    """

    id: ContainerId
    name: str
    created: str
    created_at: int
    path: str
    args: list[str]
    config: Config
    host_config: HostConfig
    image: ImageId
    image_ref: str
    driver: str = "overlay2"
    platform: str = "linux"
    state: State = State()
    mounts: list[MountPoint] = field(default_factory=list)
    mount_specs: dict[str, MountSpec] = field(default_factory=dict)
    links: dict[str, ContainerId] = field(default_factory=dict)
    anonymous_volumes: list[str] = field(default_factory=list)
    networks: dict[str, NetworkAttachment] = field(default_factory=dict)
    ports: dict[str, list[PortBinding] | None] = field(default_factory=dict)
    sandbox_id: str = ""
    log_path: str = ""
    hostname_path: str = ""
    hosts_path: str = ""
    resolv_conf_path: str = ""
    mount_label: str = ""
    process_label: str = ""
    app_armor_profile: str = ""

    @property
    def shown_mounts(self) -> list[MountPoint]:
        """Mount points as replies list them: those of `--tmpfs` are in the host config only."""
        tmpfs = self.host_config.tmpfs
        if tmpfs is UNSET or not tmpfs:
            return self.mounts
        return [
            point
            for point in self.mounts
            if point.type != "tmpfs" or point.destination in self.mount_specs
        ]

    @property
    def ports_published(self) -> set[str]:
        """Ports the container publishes, live or asked for, as "80/tcp"."""
        live = {port for port, bindings in self.ports.items() if bindings}
        return live | {
            port for port, wanted in (self.host_config.port_bindings or {}).items() if wanted
        }

    @property
    def ports_exposed(self) -> set[str]:
        """Ports the container exposes, published ones included."""
        exposed = self.config.exposed_ports
        return self.ports_published | (set() if exposed is UNSET else set(exposed))


class NetworkingConfig(Struct, rename="pascal", frozen=True):
    """Networks a new container joins, by name or ID."""

    endpoints_config: dict[str, EndpointSettings | None] | None = None


class CreateSpec(Struct, frozen=True, kw_only=True):
    """A decoded request to create a container.

    Attributes:
        name: wanted name without the leading slash, "" to have one made up.
        platform: `os[/arch[/variant]]`, "" for the host's.
    """

    name: str = ""
    platform: str = ""
    config: Config
    host_config: HostConfig = HostConfig()
    networking: NetworkingConfig = NetworkingConfig()


class Created(Struct, rename="pascal", frozen=True):
    """Reply to a create."""

    id: ContainerId
    warnings: list[str] = field(default_factory=list)


class WaitCondition(StrEnum):
    """What a waiter waits for. Source: behaviours 59."""

    NOT_RUNNING = "not-running"
    NEXT_EXIT = "next-exit"
    REMOVED = "removed"


class ExitStatus(Struct, frozen=True):
    """How a container ended, as waiters are told.

    Attributes:
        code: 0–255; 128+n for death by signal n.
        error: why it could not run or be removed, "" otherwise.
    """

    code: int
    error: str = ""
