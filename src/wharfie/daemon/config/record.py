"""The configuration as the daemon uses it: one frozen value, made from the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from wharfie.daemon.config.checks import check_settings, warnings_of
from wharfie.daemon.config.errors import ConfigError
from wharfie.daemon.config.options import Values
from wharfie.daemon.config.places import DOCKERD, Places
from wharfie.daemon.config.settings import Settings, gather
from wharfie.daemon.config.values import parse_bytes
from wharfie.model.container import Ulimit
from wharfie.model.runtime import RuntimeInfo


class TlsFiles(Struct, frozen=True):
    """Where TLS material is; `verify` demands client certificates, `crl` "" checks no list."""

    ca: str
    cert: str
    key: str
    verify: bool
    crl: str = ""


class Pool(Struct, frozen=True):
    """A block of addresses, cut into networks of `size` bits."""

    base: str
    size: int


class Config(Struct, frozen=True, kw_only=True):
    """Everything the daemon is told. Names are those of `options.OPTIONS`.

    Attributes:
        hosts: listeners as given ("unix:///var/run/docker.sock").
        tls: None for plain TCP.
        allow_plain_tcp: serve TCP without TLS off loopback too.
        allowed_hosts: host names clients may call the daemon by, besides its own.
        runtimes: further OCI runtimes by name.
        default_shm_size: bytes.
        default_cgroupns_mode: "" for the kernel's cgroup version to decide.
        gc_high, gc_low: per cent of the disk; 0 when images are not collected.
        warnings: what was given and has no effect.
    """

    places: Places
    config_file: str
    hosts: list[str]
    tls: TlsFiles | None = None
    allow_plain_tcp: bool = False
    allow_api_from_containers: bool = False
    allowed_hosts: list[str] = field(default_factory=list)
    group: str = "docker"
    data_root: str
    exec_root: str
    pidfile: str
    debug: bool = False
    log_level: str = "info"
    log_format: str = "text"
    raw_logs: bool = False
    shutdown_timeout: int = 15
    live_restore: bool = True
    labels: list[str] = field(default_factory=list)
    features: dict[str, bool] = field(default_factory=dict)
    experimental: bool = False
    min_api_version: str = "1.24"
    runtimes: dict[str, RuntimeInfo] = field(default_factory=dict)
    default_runtime: str = "crun"
    exec_opts: list[str] = field(default_factory=list)
    cgroup_parent: str = ""
    default_cgroupns_mode: str = ""
    default_ipc_mode: str = "private"
    default_shm_size: int = 64 << 20
    default_stop_timeout: int = 10
    default_ulimits: tuple[Ulimit, ...] = ()
    init: bool = False
    init_path: str = ""
    seccomp_profile: str = "builtin"
    userns_remap: str = ""
    cdi_spec_dirs: tuple[str, ...] = ("/etc/cdi", "/var/run/cdi")
    no_new_privileges: bool = False
    log_driver: str = "json-file"
    log_opts: dict[str, str] = field(default_factory=dict)
    registry_mirrors: list[str] = field(default_factory=list)
    insecure_registries: list[str] = field(default_factory=list)
    mirrors: dict[str, list[str]] = field(default_factory=dict)
    registry_trusted_hosts: list[str] = field(default_factory=list)
    max_concurrent_downloads: int = 3
    max_concurrent_uploads: int = 5
    max_download_attempts: int = 5
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    unpack_size: int = 1 << 40
    unpack_entries: int = 10_000_000
    unpack_ratio: int = 2000
    gc_high: int = 0
    gc_low: int = 0
    bridge: str = "docker0"
    bip: str = ""
    fixed_cidr: str = ""
    default_gateway: str = ""
    ipv6: bool = False
    bip6: str = ""
    fixed_cidr_v6: str = ""
    default_gateway_v6: str = ""
    allow_direct_routing: bool = False
    default_address_pools: list[Pool] = field(default_factory=list)
    default_network_opts: dict[str, dict[str, str]] = field(default_factory=dict)
    mtu: int = 1500
    metrics_addr: str = ""
    selinux_enabled: bool = False
    icc: bool = True
    iptables: bool = True
    ip6tables: bool = True
    userland_proxy: bool = True
    ip: str = "0.0.0.0"  # noqa: S104 - Docker's default
    ip_masq: bool = True
    ip_forward: bool = True
    dns: list[str] = field(default_factory=list)
    dns_opts: list[str] = field(default_factory=list)
    dns_search: list[str] = field(default_factory=list)
    host_gateway_ips: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load_config(
    flags: Values, places: Places, environment: Mapping[str, str] | None = None
) -> Config:
    """Merge flags, config file and environment, and check the whole.

    Args:
        flags: from `parse_flags`.
        places: default locations.
        environment: None for this process's.

    Raises:
        ConfigError: in dockerd's words.
    """
    surroundings = os.environ if environment is None else environment
    settings = gather(flags, places, surroundings)
    return build_config(settings, surroundings)


def build_config(settings: Settings, environment: Mapping[str, str]) -> Config:
    """Check the settings and make the value of them.

    Raises:
        ConfigError: a value that cannot be, or an option that must not be ignored.
    """
    check_settings(settings)
    values = settings.values
    made: dict[str, object] = {name.replace("-", "_"): value for name, value in values.items()}
    places = settings.places
    tls = tls_files(values, environment)
    made["places"] = places
    made["config_file"] = settings.document.path
    made["hosts"] = values.get("hosts") or default_hosts(tls)
    made["tls"] = tls
    made["allow_plain_tcp"] = allows_plain_tcp(values, places)
    for name, default in (("data_root", places.data_root), ("exec_root", places.exec_root)):
        made[name] = os.path.abspath(str(made.get(name) or default))
    made["pidfile"] = made.get("pidfile", places.pidfile)
    made["log_level"] = "debug" if made.get("debug") else made.get("log_level", "info")
    made["warnings"] = warnings_of(settings)
    if "host_gateway_ip" in made:
        made["host_gateway_ips"] = [made["host_gateway_ip"]]
    for name, convert in _CONVERTED.items():
        if name in made:
            made[name] = convert(made[name])
    try:
        return msgspec.convert(
            {key: value for key, value in made.items() if key in Config.__struct_fields__}, Config
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"invalid configuration: {error}") from None


def default_hosts(tls: TlsFiles | None) -> list[str]:
    """Where to listen when nobody says so (seeds B1, E6)."""
    return ["tcp://localhost:2376"] if tls else ["unix:///var/run/docker.sock"]


def allows_plain_tcp(values: Values, places: Places) -> bool:
    """The second word that plain TCP off loopback needs; dockerd's scripts have only the first."""
    if "allow-plain-tcp" in values:
        return bool(values["allow-plain-tcp"])
    return values.get("tls") is False or places is DOCKERD


def tls_files(values: Values, environment: Mapping[str, str]) -> TlsFiles | None:
    """TLS is on by `tls`, and by any mention of `tlsverify` (seeds E3, E4)."""
    if not values.get("tls") and "tlsverify" not in values:
        return None
    folder = certificate_folder(environment)
    verify = bool(values["tlsverify"]) if "tlsverify" in values else "tlscacert" in values
    return TlsFiles(
        ca=str(values.get("tlscacert") or os.path.join(folder, "ca.pem")),
        cert=str(values.get("tlscert") or os.path.join(folder, "cert.pem")),
        key=str(values.get("tlskey") or os.path.join(folder, "key.pem")),
        verify=verify,
        crl=str(values.get("tlscrl") or ""),
    )


def certificate_folder(environment: Mapping[str, str]) -> str:
    """Where certificates are when no file is named (seeds E5)."""
    home = environment.get("HOME") or os.path.expanduser("~")
    return (
        environment.get("DOCKER_CERT_PATH")
        or environment.get("DOCKER_CONFIG")
        or os.path.join(home, ".docker")
    )


def _runtimes(given: object) -> dict[str, RuntimeInfo]:
    assert isinstance(given, dict)
    return {
        name: RuntimeInfo(name, one["path"], list(one.get("runtimeArgs") or one.get("args") or []))
        for name, one in given.items()
    }


def _ulimits(given: object) -> tuple[Ulimit, ...]:
    assert isinstance(given, dict)
    found = []
    for name, one in given.items():
        lowered = {key.lower(): value for key, value in one.items()}
        soft = lowered.get("soft", 0)
        found.append(Ulimit(lowered.get("name") or name, soft, lowered.get("hard", soft)))
    return tuple(found)


def _pools(given: object) -> list[Pool]:
    assert isinstance(given, list)
    lowered = ({key.lower(): value for key, value in pool.items()} for pool in given)
    return [Pool(pool["base"], pool["size"]) for pool in lowered]


def _bytes(given: object) -> int:
    return parse_bytes(str(given))


def _percent(given: object) -> int:
    return int(str(given).removesuffix("%") or 0)


_CONVERTED = {
    "gc_high": _percent,
    "gc_low": _percent,
    "runtimes": _runtimes,
    "default_ulimits": _ulimits,
    "default_address_pools": _pools,
    "default_shm_size": _bytes,
    "unpack_size": _bytes,
}
