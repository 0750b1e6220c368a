"""From the configuration to what drivers and engine are given: defaults of what users make."""

from __future__ import annotations

import os
from ipaddress import ip_network

from wharfie.daemon.config import Config, ConfigError
from wharfie.drivers.network import NetworkSettings
from wharfie.drivers.network.settings import AddressPool, default_pools
from wharfie.drivers.runtime import Defaults, find_init
from wharfie.drivers.runtime.apparmor import is_enforced
from wharfie.drivers.runtime.cgroup.placing import check_parent, choose_driver
from wharfie.engine.containers.create.abilities import HostAbilities
from wharfie.engine.containers.create.defaults import ContainerDefaults
from wharfie.engine.containers.logs.drivers import check_log_config
from wharfie.engine.networks import DefaultBridge
from wharfie.kernel.hostinfo import HostInfo
from wharfie.model.archive import Limits
from wharfie.model.errors import EngineError, InvalidArgument
from wharfie.model.remapping import Remapping
from wharfie.registry.client import InvalidSetting, RegistrySettings, settings_of

_PROFILE_LIMIT = 8 << 20
_DOCKER_CERTS = "/etc/docker/certs.d"


def container_defaults(
    config: Config,
    *,
    runtime: str,
    cgroup_version: int,
    cpus: int,
    abilities: HostAbilities,
) -> ContainerDefaults:
    """What the engine fills in for containers that do not say otherwise.

    Args:
        config: the daemon's configuration.
        runtime: name of the default runtime that was found.
        cgroup_version: of this host; decides the default cgroup namespace.
        cpus: processors of this host.
        abilities: which limits this host can set.

    Raises:
        ConfigError: the default log driver does not exist, or does not take its options.
    """
    try:
        check_log_config(config.log_driver, config.log_opts)
    except InvalidArgument as error:
        raise ConfigError(f"failed to set log opts: {error}") from None
    return ContainerDefaults(
        runtime=runtime,
        log_driver=config.log_driver,
        log_options=config.log_opts,
        shm_size=config.default_shm_size,
        ipc_mode=config.default_ipc_mode,
        cgroupns_mode=config.default_cgroupns_mode
        or ("private" if cgroup_version == 2 else "host"),
        stop_timeout=config.default_stop_timeout,
        cpus=cpus,
        abilities=abilities,
        remaps=bool(config.userns_remap),
        dns=config.dns,
        dns_options=config.dns_opts,
        dns_search=config.dns_search,
        host_gateway=next((ip for ip in config.host_gateway_ips if ":" not in ip), ""),
    )


def host_abilities(host: HostInfo) -> HostAbilities:
    """Which limits this host can set."""
    return HostAbilities(limits=host.limits, cpus=host.cpuset, memory_nodes=host.memory_nodes)


def runtime_defaults(config: Config, *, cgroup_version: int) -> Defaults:
    """What the runtime driver adds to containers.

    Raises:
        ConfigError: `init-path` names a program that is not there, or the cgroup parent is not
            one that the driver can use.
    """
    asked = [text.partition("=")[2] for text in config.exec_opts if "cgroupdriver" in text.lower()]
    driver = choose_driver(asked[-1] if asked else "", cgroup_version=cgroup_version)
    try:
        check_parent(driver, config.cgroup_parent)
    except EngineError as error:
        raise ConfigError(error.message) from None
    init_path = find_init(config.init_path)
    if config.init_path and not init_path:
        raise ConfigError(f"init-path {config.init_path}: no such program")
    return Defaults(
        apparmor=is_enforced(),
        cdi_directories=config.cdi_spec_dirs,
        cgroup_driver=driver,
        cgroup_parent=config.cgroup_parent,
        ulimits=config.default_ulimits,
        init=config.init,
        init_path=init_path,
        no_new_privileges=config.no_new_privileges,
    )


def read_seccomp_profile(config: Config) -> str:
    """The daemon's seccomp profile: "" for the built-in one, "unconfined", or its content.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = config.seccomp_profile
    if path in ("", "builtin"):
        return ""
    if path == "unconfined":
        return path
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_PROFILE_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"opening seccomp profile ({path}) failed: {why}") from None


def network_settings(config: Config, remapping: Remapping | None = None) -> NetworkSettings:
    """How the network driver works.

    Raises:
        ConfigError: containers were to be kept apart without rules, in dockerd's words.
    """
    if not config.iptables and not config.icc:
        raise ConfigError(
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. "
            "Please set --icc or --iptables to true"
        )
    pools = [
        AddressPool(ip_network(pool.base, strict=False), pool.size)
        for pool in config.default_address_pools
    ]
    if all(pool.base.version == 6 for pool in pools):
        pools = [*default_pools(), *pools]
    return NetworkSettings(
        exec_root=config.exec_root,
        pools=pools,
        direct_routing=config.allow_direct_routing,
        forwarding=config.ip_forward,
        managed=(*((4,) if config.iptables else ()), *((6,) if config.ip6tables else ())),
        relays=config.userland_proxy,
        userns=-1 if remapping is None else remapping.namespace,
    )


def registry_settings(config: Config) -> RegistrySettings:
    """How registries are reached.

    Raises:
        ConfigError: a mirror, host or proxy that is none.
    """
    try:
        return settings_of(
            hub_mirrors=config.registry_mirrors,
            mirrors=config.mirrors,
            insecure=config.insecure_registries,
            trusted_hosts=config.registry_trusted_hosts,
            proxies=(config.http_proxy, config.https_proxy, config.no_proxy),
            attempts=config.max_download_attempts,
            certs=[os.path.join(os.path.dirname(config.config_file), "certs.d"), _DOCKER_CERTS],
        )
    except InvalidSetting as error:
        raise ConfigError(str(error)) from None


def unpack_limits(config: Config) -> Limits:
    """Bounds against bombs; 0 stands for the default.

    Raises:
        ConfigError: a negative number.
    """
    default = Limits()
    given = {
        "unpack-size": (config.unpack_size, default.size),
        "unpack-entries": (config.unpack_entries, default.entries),
        "unpack-ratio": (config.unpack_ratio, default.ratio),
    }
    for name, (value, _) in given.items():
        if value < 0:
            raise ConfigError(f"invalid {name}: {value}")
    return Limits(*(value or usual for value, usual in given.values()))


def default_bridge(config: Config) -> DefaultBridge:
    """How the network called "bridge" is to be."""
    return DefaultBridge(
        bridge=config.bridge or "docker0",
        bip=config.bip,
        fixed_cidr=config.fixed_cidr,
        gateway=config.default_gateway,
        ipv6=config.ipv6,
        bip6=config.bip6,
        fixed_cidr6=config.fixed_cidr_v6,
        gateway6=config.default_gateway_v6,
        mtu=config.mtu,
        icc=config.icc,
        masquerade=config.ip_masq,
        host_binding=config.ip or "0.0.0.0",  # noqa: S104 - Docker's default
    )
