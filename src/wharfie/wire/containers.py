"""Replies about containers: list items, inspect, wait, top, prune.

Source: Engine API 1.51, ContainerSummary, ContainerInspectResponse, ContainerWaitResponse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType, field, structs

from wharfie.model.container import (
    NEVER,
    Config,
    Container,
    ExitStatus,
    HostConfig,
    MountPoint,
    State,
    Status,
)
from wharfie.model.health import Health, HealthStatus
from wharfie.model.lifecycle import is_running
from wharfie.model.network import EndpointSettings, NetworkAttachment, PortBinding
from wharfie.wire.times import human_duration, seconds_of

DEFAULT_NETWORK = "bridge"


class Port(Struct, rename="pascal", frozen=True, kw_only=True):
    """One port of a list item."""

    ip: str | UnsetType = field(default=UNSET, name="IP")
    private_port: int
    public_port: int | UnsetType = UNSET
    type: str


class SummaryHostConfig(Struct, rename="pascal", frozen=True):
    """The host-bound facts of a list item."""

    network_mode: str | UnsetType = UNSET
    annotations: dict[str, str] | UnsetType = UNSET


class SummaryNetworkSettings(Struct, rename="pascal", frozen=True):
    """The networks of a list item."""

    networks: dict[str, EndpointSettings]


class ContainerSummary(Struct, rename="pascal", frozen=True, kw_only=True):
    """One item of `GET /containers/json`; sizes only where asked for."""

    id: str
    names: list[str]
    image: str
    image_id: str = field(name="ImageID")
    command: str
    created: int
    ports: list[Port]
    size_rw: int | UnsetType = UNSET
    size_root_fs: int | UnsetType = UNSET
    labels: dict[str, str]
    state: str
    status: str
    host_config: SummaryHostConfig
    network_settings: SummaryNetworkSettings
    mounts: list[MountPoint]

    @classmethod
    def of(
        cls, container: Container, *, image: str, status: str, size: tuple[int, int] | None = None
    ) -> ContainerSummary:
        """Summarise a container.

        Args:
            container: its record.
            image: the reference it was made from, or the image's ID where that moved on.
            status: from `spell_status`.
            size: bytes of the writable layer and of the whole; zeros are left out, as Go does.
        """
        host = container.host_config
        networks = {
            name: structs.replace(
                attachment.settings, links=None, aliases=None, driver_opts=None, dns_names=None
            )
            for name, attachment in container.networks.items()
        }
        return cls(
            id=container.id,
            names=[f"/{container.name}"],
            image=image,
            image_id=container.image,
            command=_command(container.path, container.args),
            created=container.created_at // 1_000_000_000,
            ports=_ports(container.ports),
            size_rw=(size[0] if size else 0) or UNSET,
            size_root_fs=(size[1] if size else 0) or UNSET,
            labels=container.config.labels,
            state=container.state.status.value,
            status=status,
            host_config=SummaryHostConfig(host.network_mode or UNSET, host.annotations or UNSET),
            network_settings=SummaryNetworkSettings(networks),
            mounts=container.shown_mounts,
        )


def spell_status(state: State, now: float) -> tuple[str, float]:
    """The "Up 5 minutes" of a list; returns it, and the time from which it is another.

    Args:
        state: of the container.
        now: seconds since the epoch.
    """
    match state.status:
        case Status.RUNNING | Status.PAUSED:
            since = seconds_of(state.started_at)
            text, until = human_duration(now - since)
            return f"Up {text}{_suffix(state)}", since + until
        case Status.RESTARTING:
            since = seconds_of(state.finished_at)
            text, until = human_duration(now - since)
            return f"Restarting ({state.exit_code}) {text} ago", since + until
        case Status.REMOVING:
            return "Removal In Progress", float("inf")
        case Status.DEAD:
            return "Dead", float("inf")
        case Status.CREATED | Status.EXITED:
            if state.started_at == NEVER and state.status is Status.CREATED:
                return "Created", float("inf")
            if state.finished_at == NEVER:
                return "", float("inf")
            since = seconds_of(state.finished_at)
            text, until = human_duration(now - since)
            return f"Exited ({state.exit_code}) {text} ago", since + until


def _suffix(state: State) -> str:
    if state.status is Status.PAUSED:
        return " (Paused)"
    if state.health is None:
        return ""
    starting = state.health.status is HealthStatus.STARTING
    return " (health: starting)" if starting else f" ({state.health.status.value})"


class ContainerState(Struct, rename="pascal", frozen=True, kw_only=True):
    """The state in an inspect reply."""

    status: str
    running: bool
    paused: bool
    restarting: bool
    oom_killed: bool = field(name="OOMKilled")
    dead: bool
    pid: int
    exit_code: int
    error: str
    started_at: str
    finished_at: str
    health: Health | UnsetType = UNSET

    @classmethod
    def of(cls, state: State) -> ContainerState:
        """Spell out the booleans clients look at."""
        return cls(
            status=state.status.value,
            running=is_running(state.status),
            paused=state.status is Status.PAUSED,
            restarting=state.status is Status.RESTARTING,
            oom_killed=state.oom_killed,
            dead=state.status is Status.DEAD,
            pid=state.pid,
            exit_code=state.exit_code,
            error=state.error,
            started_at=state.started_at,
            finished_at=state.finished_at,
            health=UNSET if state.health is None else state.health,
        )


class NetworkSettings(Struct, rename="pascal", frozen=True, kw_only=True):
    """The network part of an inspect reply; the flat addresses are the default bridge's."""

    bridge: str = ""
    sandbox_id: str = field(name="SandboxID")
    sandbox_key: str
    ports: dict[str, list[PortBinding] | None]
    hairpin_mode: bool = False
    link_local_ipv6_address: str = field(default="", name="LinkLocalIPv6Address")
    link_local_ipv6_prefix_len: int = field(default=0, name="LinkLocalIPv6PrefixLen")
    secondary_ip_addresses: None = field(default=None, name="SecondaryIPAddresses")
    secondary_ipv6_addresses: None = field(default=None, name="SecondaryIPv6Addresses")
    endpoint_id: str = field(default="", name="EndpointID")
    gateway: str = ""
    global_ipv6_address: str = field(default="", name="GlobalIPv6Address")
    global_ipv6_prefix_len: int = field(default=0, name="GlobalIPv6PrefixLen")
    ip_address: str = field(default="", name="IPAddress")
    ip_prefix_len: int = field(default=0, name="IPPrefixLen")
    ipv6_gateway: str = field(default="", name="IPv6Gateway")
    mac_address: str = ""
    networks: dict[str, EndpointSettings]

    @classmethod
    def of(cls, container: Container) -> NetworkSettings:
        """The settings of a container, operational ones while it runs."""
        pid = container.state.pid
        networks = {name: _endpoint(one) for name, one in container.networks.items()}
        default = networks.get(DEFAULT_NETWORK) or EndpointSettings()
        return cls(
            sandbox_id=container.sandbox_id,
            sandbox_key=f"/proc/{pid}/ns/net" if container.sandbox_id and pid else "",
            ports=container.ports,
            endpoint_id=default.endpoint_id,
            gateway=default.gateway,
            global_ipv6_address=default.global_ipv6_address,
            global_ipv6_prefix_len=default.global_ipv6_prefix_len,
            ip_address=default.ip_address,
            ip_prefix_len=default.ip_prefix_len,
            ipv6_gateway=default.ipv6_gateway,
            mac_address=default.mac_address,
            networks=networks,
        )


class GraphDriver(Struct, rename="pascal", frozen=True):
    """Where a root file system lies on the host; `data` is null when it is not mounted."""

    data: Mapping[str, str] | None
    name: str


class ContainerInspect(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /containers/{id}/json`."""

    id: str
    created: str
    path: str
    args: list[str]
    state: ContainerState
    image: str
    resolv_conf_path: str
    hostname_path: str
    hosts_path: str
    log_path: str
    name: str
    restart_count: int
    driver: str
    platform: str
    mount_label: str
    process_label: str
    app_armor_profile: str
    exec_ids: list[str] | None = field(name="ExecIDs")
    host_config: HostConfig
    graph_driver: GraphDriver
    size_rw: int | UnsetType = UNSET
    size_root_fs: int | UnsetType = UNSET
    mounts: list[MountPoint]
    config: Config
    network_settings: NetworkSettings

    @classmethod
    def of(
        cls,
        container: Container,
        *,
        graph: Mapping[str, str] | None = None,
        exec_ids: Sequence[str] = (),
        size: tuple[int, int] | None = None,
    ) -> ContainerInspect:
        """Show everything about a container.

        Args:
            container: its record.
            graph: directories of its layers.
            exec_ids: its live exec instances.
            size: bytes of the writable layer and of the whole, where asked for.
        """
        return cls(
            id=container.id,
            created=container.created,
            path=container.path,
            args=container.args,
            state=ContainerState.of(container.state),
            image=container.image,
            resolv_conf_path=container.resolv_conf_path,
            hostname_path=container.hostname_path,
            hosts_path=container.hosts_path,
            log_path=container.log_path,
            name=f"/{container.name}",
            restart_count=container.state.restart_count,
            driver=container.driver,
            platform=container.platform,
            mount_label=container.mount_label,
            process_label=container.process_label,
            app_armor_profile=container.app_armor_profile,
            exec_ids=list(exec_ids) or None,
            host_config=container.host_config,
            graph_driver=GraphDriver(graph, container.driver),
            size_rw=size[0] if size else UNSET,
            size_root_fs=size[1] if size else UNSET,
            mounts=container.shown_mounts,
            config=container.config,
            network_settings=NetworkSettings.of(container),
        )


class WaitError(Struct, rename="pascal", frozen=True):
    """Why a waited-for container failed."""

    message: str


class WaitReply(Struct, rename="pascal", frozen=True):
    """The end of `POST /containers/{id}/wait`."""

    status_code: int
    error: WaitError | UnsetType = UNSET

    @classmethod
    def of(cls, status: ExitStatus) -> WaitReply:
        """Tell how a container ended."""
        return cls(status.code, WaitError(status.error) if status.error else UNSET)


class TopReply(Struct, rename="pascal", frozen=True):
    """`GET /containers/{id}/top`."""

    titles: list[str]
    processes: list[list[str]]


class UpdateReply(Struct, rename="pascal", frozen=True):
    """`POST /containers/{id}/update`; null without warnings."""

    warnings: list[str] | None


class ContainersPruned(Struct, rename="pascal", frozen=True):
    """`POST /containers/prune`; null when nothing was removed."""

    containers_deleted: list[str] | None
    space_reclaimed: int


class FilesystemChange(Struct, rename="pascal", frozen=True):
    """One item of `GET /containers/{id}/changes`."""

    path: str
    kind: int


class IdReply(Struct, rename="pascal", frozen=True):
    """The reply to making an exec instance or an image."""

    id: str


def _command(path: str, arguments: Sequence[str]) -> str:
    quoted = [f"'{word}'" if " " in word else word for word in arguments]
    return " ".join([path, *quoted])


def _ports(published: Mapping[str, list[PortBinding] | None]) -> list[Port]:
    ports: list[Port] = []
    for key, bindings in published.items():
        number, _, protocol = key.partition("/")
        private, kind = int(number), protocol or "tcp"
        if not bindings:
            ports.append(Port(private_port=private, type=kind))
        ports += [
            Port(
                ip=binding.host_ip or UNSET,
                private_port=private,
                public_port=int(binding.host_port or 0) or UNSET,
                type=kind,
            )
            for binding in bindings or ()
        ]
    return ports


def _endpoint(attachment: NetworkAttachment) -> EndpointSettings:
    return attachment.settings
