"""What the engine fills in when a container's creator said nothing. From the daemon's config."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, field, structs

from wharfie.engine.containers.create.abilities import HostAbilities
from wharfie.engine.containers.networking import parse_mode
from wharfie.formats.oci.runtime import DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS
from wharfie.model.container import HostConfig, LogConfig, RestartPolicy


class ContainerDefaults(Struct, frozen=True, kw_only=True):
    """Defaults for new containers.

    Attributes:
        log_options: of the default log driver.
        shm_size: bytes of /dev/shm.
        cgroupns_mode: "private" or "host".
        stop_timeout: seconds between the stop signal and SIGKILL.
        cpus: processors of this host.
        remaps: containers run in a user namespace unless they say otherwise.
        abilities: which limits this host can set.
        host_gateway: address that `host-gateway` stands for in extra hosts, "" for the
            gateway of the container's own network.
    """

    runtime: str = "crun"
    log_driver: str = "json-file"
    log_options: dict[str, str] = field(default_factory=dict)
    shm_size: int = 64 << 20
    ipc_mode: str = "private"
    cgroupns_mode: str = "private"
    stop_timeout: int = 10
    cpus: int = 1
    dns: list[str] = field(default_factory=list)
    dns_options: list[str] = field(default_factory=list)
    dns_search: list[str] = field(default_factory=list)
    host_gateway: str = ""
    abilities: HostAbilities = HostAbilities()
    remaps: bool = False

    def fill(self, host: HostConfig) -> HostConfig:
        """A host config with the engine's defaults where the creator left gaps."""
        mode = parse_mode(host.network_mode)
        return structs.replace(
            host,
            network_mode=mode.target if mode.kind == "network" else host.network_mode,
            restart_policy=host.restart_policy if host.restart_policy.name else RestartPolicy(),
            log_config=self._fill_log(host.log_config),
            runtime=host.runtime or self.runtime,
            shm_size=host.shm_size or self.shm_size,
            ipc_mode=host.ipc_mode or self.ipc_mode,
            cgroupns_mode=host.cgroupns_mode or self._cgroupns(host),
            memory_swap=host.memory_swap or 2 * host.memory,
            oom_kill_disable=bool(host.oom_kill_disable),
            pids_limit=host.pids_limit if (host.pids_limit or 0) > 0 else None,
            masked_paths=_paths(host, host.masked_paths, DEFAULT_MASKED_PATHS),
            readonly_paths=_paths(host, host.readonly_paths, DEFAULT_READONLY_PATHS),
            init=host.init if host.init is not UNSET else UNSET,
        )

    def _cgroupns(self, host: HostConfig) -> str:
        return "host" if host.privileged and self.cgroupns_mode != "private" else self.cgroupns_mode

    def _fill_log(self, log: LogConfig) -> LogConfig:
        """The daemon's options go with its driver; those of the copy with any (behaviours 94)."""
        options = self.log_options
        if log.type and log.type != self.log_driver:
            options = {k: v for k, v in options.items() if k.startswith("cache-")}
        return LogConfig(type=log.type or self.log_driver, config={**options, **log.config})


class DefaultsHandle:
    """The defaults that hold now; a reload of the daemon's configuration changes them."""

    def __init__(self, value: ContainerDefaults) -> None:
        self.now = value

    def adopt(self, value: ContainerDefaults) -> None:
        """Use these for containers created or started from here on."""
        self.now = value


def _paths(host: HostConfig, given: list[str] | None, default: Sequence[str]) -> list[str] | None:
    """Paths hidden or write-protected: the default ones, unless something else was said."""
    is_open = host.privileged or "systempaths=unconfined" in (host.security_opt or ())
    return given if given is not None or is_open else list(default)
