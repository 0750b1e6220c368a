"""What a create request must not ask for: pure checks, Docker's words.

Source: behaviours 17–49. What this engine does not do yet is refused by name, never ignored.
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import UNSET

from wharfie.engine.containers.logs.drivers import check_log_config
from wharfie.formats.units import parse_size
from wharfie.model.container import Config, CreateSpec, HealthConfig, HostConfig, RestartPolicy
from wharfie.model.errors import InvalidArgument
from wharfie.model.signals import parse_signal

_MIB = 1 << 20
_MINIMUM_MEMORY = 6 * _MIB
_POLICIES = ("no", "always", "on-failure", "unless-stopped")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?")


def check_create(spec: CreateSpec, *, cpus: int) -> None:
    """Refuse what can never run; the image's config is merged already.

    Args:
        spec: the whole request.
        cpus: processors of this host.

    Raises:
        InvalidArgument: wrong values or contradictions.
        NotSupported: known options this engine does not serve.
    """
    config, host = spec.config, spec.host_config
    _check_config(config)
    _check_restart(host.restart_policy, auto_remove=host.auto_remove)
    check_limits(host, cpus=cpus)
    check_log_config(host.log_config.type or "json-file", host.log_config.config)
    _check_names(host)
    _check_namespaces(host)
    if host.isolation.lower() not in ("", "default"):
        raise InvalidArgument(
            f"Invalid isolation: \"{host.isolation}\" - linux only supports 'default'"
        )
    _check_modes(config, host)
    storage_size(host)
    for port in host.port_bindings or ():
        check_port(port)
    for port in config.exposed_ports or {}:
        check_port(port)


def check_limits(host: HostConfig, *, cpus: int, is_update: bool = False) -> None:
    """Refuse limits no container can have.

    Args:
        host: the limits.
        cpus: processors of this host.
        is_update: they go with others the container has already.
    """
    _check_memory(host, is_update=is_update)
    _check_cpus(host, cpus)
    _check_ranges(host)


def check_port(port: str) -> None:
    """Refuse anything but "80", "80/tcp" or "80-90/udp"."""
    match = _PORT.fullmatch(port)
    if match is None or not all(0 < int(n) < 65536 for n in match.group(1, 2) if n):
        raise InvalidArgument(f"invalid containerPort: {port}")


def check_restart_policy(policy: RestartPolicy) -> None:
    """Refuse unknown policies and retry counts where none belong. Source: behaviours 23."""
    if policy.name not in ("", *_POLICIES):
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if policy.maximum_retry_count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidArgument(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
        )


def _check_config(config: Config) -> None:
    if not config.entrypoint and not config.cmd:
        raise InvalidArgument("no command specified")
    if len(config.hostname) > 64:
        raise InvalidArgument(f'hostname "{config.hostname}" is too long (maximum 64 bytes)')
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute "
            "path"
        )
    for variable in config.env or []:
        if not variable.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {variable}")
    if config.stop_signal is not UNSET and config.stop_signal:
        parse_signal(config.stop_signal)
    if config.healthcheck is not UNSET:
        _check_health(config.healthcheck)


def _check_health(health: HealthConfig) -> None:
    for label, value in (
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ):
        if value < 0 or 0 < value < 1_000_000:
            raise InvalidArgument(f"{label} in Healthcheck cannot be less than one millisecond")
    if health.retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def _check_restart(policy: RestartPolicy, *, auto_remove: bool) -> None:
    check_restart_policy(policy)
    if auto_remove and policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def check_quality(host: HostConfig) -> None:
    """Refuse at create what Linux has no word for; an update refuses it in other words."""
    for value, what in (
        (host.io_maximum_bandwidth, "bandwidth"),
        (host.io_maximum_iops, "IOPs"),
    ):
        if value:
            raise InvalidArgument(
                f"invalid option: QoS maximum {what} configuration is not supported on linux"
            )


def _check_memory(host: HostConfig, *, is_update: bool) -> None:
    if host.memory and host.memory < _MINIMUM_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if host.memory_swap > 0 and not host.memory and not is_update:
        raise InvalidArgument(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    if host.memory and 0 < host.memory_swap < host.memory:
        raise InvalidArgument(
            "Minimum memoryswap limit should be larger than memory limit, see usage"
        )
    if host.memory_swappiness is not None and not -1 <= host.memory_swappiness <= 100:
        raise InvalidArgument(
            f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100"
        )
    if 0 < host.memory_reservation < _MINIMUM_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if host.memory_reservation and host.memory and host.memory < host.memory_reservation:
        raise InvalidArgument(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_cpus(host: HostConfig, cpus: int) -> None:
    if host.nano_cpus:
        if host.cpu_period:
            raise InvalidArgument(
                "Conflicting options: Nano CPUs and CPU Period cannot both be set"
            )
        if host.cpu_quota:
            raise InvalidArgument("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
        if not 0 < host.nano_cpus <= cpus * 1_000_000_000:
            raise InvalidArgument(
                f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            )
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than "
                              "1s (i.e. 1000000)")  # fmt: skip
    if 0 < host.cpu_quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_ranges(host: HostConfig) -> None:
    if host.cpu_shares < 0:
        raise InvalidArgument(
            f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer"
        )
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(
            f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]"
        )


def check_user_namespace(host: HostConfig) -> None:
    """Refuse what cannot be had in a user namespace. Source: behaviours 40."""
    if host.userns_mode == "host":
        return
    if host.privileged:
        raise InvalidArgument(
            "privileged mode is incompatible with user namespaces.  You must run the container in "
            "the host namespace when running privileged mode"
        )
    if host.network_mode == "host":
        raise InvalidArgument(
            "cannot share the host's network namespace when user namespaces are enabled"
        )
    if host.pid_mode == "host":
        raise InvalidArgument(
            "cannot share the host PID namespace when user namespaces are enabled"
        )


def _check_names(host: HostConfig) -> None:
    for address in host.dns or ():
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise InvalidArgument(f"invalid IP address: {address}") from None
    for entry in host.extra_hosts or []:
        name, colon, address = entry.partition(":")
        if not (name and colon and address):
            raise InvalidArgument(f'bad format for add-host: "{entry}"')
        if address != "host-gateway":
            try:
                ipaddress.ip_address(address.strip("[]"))
            except ValueError:
                raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from None


def _check_namespaces(host: HostConfig) -> None:
    """Source: moby's HostConfig modes, `Valid`."""
    checks = (
        ("IPC", host.ipc_mode, ("none", "private", "shareable", "host"), True),
        ("PID", host.pid_mode, ("host",), True),
        ("UTS", host.uts_mode, ("host",), False),
        ("cgroup namespace", host.cgroupns_mode, ("private", "host"), False),
        ("USER", host.userns_mode, ("host",), False),
    )
    for kind, mode, known, may_join in checks:
        joins = may_join and mode.startswith("container:") and len(mode) > len("container:")
        if mode not in ("", *known) and not joins:
            raise InvalidArgument(f"invalid {kind} mode: {mode}")


def _check_modes(config: Config, host: HostConfig) -> None:
    mode = host.network_mode
    if mode.startswith("container:"):
        conflicts = {
            "hostname and the network mode": bool(config.hostname),
            "links and the network mode": bool(host.links),
            "dns and the network mode": bool(host.dns),
            "custom host-to-IP mapping and the network mode": bool(host.extra_hosts),
            "port publishing and the container type network mode": (
                bool(host.port_bindings) or host.publish_all_ports
            ),
            "port exposing and the container type network mode": bool(config.exposed_ports),
        }
        for text, present in conflicts.items():
            if present:
                raise InvalidArgument(f"conflicting options: {text}")
    if mode == "host" and host.links:
        raise InvalidArgument("conflicting options: host type networking can't be used with links")
    if host.uts_mode == "host" and config.hostname:
        raise InvalidArgument("conflicting options: hostname and the UTS mode")


def storage_size(host: HostConfig) -> int:
    """Bytes the writable layer may hold, 0 for no limit.

    Raises:
        InvalidArgument: no size, or another option.
    """
    size = 0
    for key, value in (host.storage_opt or {}).items():
        if key.lower() != "size":
            raise InvalidArgument(f"Unknown option {key}")
        try:
            size = parse_size(value)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
    return size
