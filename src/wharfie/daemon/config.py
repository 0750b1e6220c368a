"""The configuration: flags and `daemon.json`, merged into one frozen value.

An option given both ways is refused, as dockerd does (seeds D6); unknown keys and invalid JSON
too. `null` in the file means "not given", `false` overrides a default.
"""

from __future__ import annotations

import json
import os

from msgspec import Struct, field

from wharfie.daemon.options import BY_KEY, OPTIONS, Kind, Option, Value, Values

_MERGED = {"add-runtime"}


class ConfigError(Exception):
    """The configuration cannot be used; the text names file and cause."""


class Places(Struct, frozen=True):
    """Default locations; those of `wharfied`, or dockerd's when invoked as `dockerd`."""

    program: str
    config_file: str
    data_root: str
    exec_root: str
    pidfile: str


WHARFIED = Places(
    "wharfied", "/etc/wharfie/daemon.json", "/var/lib/wharfie", "/run/wharfie", "/run/wharfie.pid"
)
DOCKERD = Places(
    "dockerd", "/etc/docker/daemon.json", "/var/lib/docker", "/var/run/docker",
    "/var/run/docker.pid",
)  # fmt: skip


class TlsFiles(Struct, frozen=True):
    """Where TLS material is; `verify` demands client certificates."""

    ca: str
    cert: str
    key: str
    verify: bool


class Config(Struct, frozen=True, kw_only=True):
    """Everything the daemon is told.

    Attributes:
        hosts: listeners as given ("unix:///var/run/docker.sock").
        tls: None for plain TCP.
        runtimes: further OCI runtimes, name → path.
    """

    places: Places
    config_file: str
    hosts: list[str]
    tls: TlsFiles | None = None
    data_root: str
    exec_root: str
    pidfile: str
    debug: bool = False
    log_level: str = "info"
    group: str = "docker"
    default_runtime: str = "crun"
    runtimes: dict[str, str] = field(default_factory=dict)
    live_restore: bool = True
    shutdown_timeout: int = 15
    log_driver: str = "json-file"
    log_opts: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    insecure_registries: list[str] = field(default_factory=list)
    registry_mirrors: list[str] = field(default_factory=list)
    registry_trusted_hosts: list[str] = field(default_factory=list)
    mirrors: dict[str, str] = field(default_factory=dict)
    proxies: dict[str, str] = field(default_factory=dict)
    max_concurrent_downloads: int = 3
    max_concurrent_uploads: int = 5
    max_download_attempts: int = 5
    dns: list[str] = field(default_factory=list)
    dns_opts: list[str] = field(default_factory=list)
    dns_search: list[str] = field(default_factory=list)
    bip: str = ""
    bridge: str = ""
    mtu: int = 1500
    cgroup_parent: str = ""
    default_shm_size: str = ""


def load_config(flags: Values, places: Places) -> Config:
    """Merge flags with the config file they name.

    Raises:
        ConfigError: in dockerd's words, prefixed with the file.
    """
    explicit = flags.get("config-file")
    path = str(explicit) if explicit else places.config_file
    prefix = f"unable to configure the Docker daemon with file {path}: "
    try:
        given = _read(path, required=explicit is not None)
        from_file = _convert(given)
        _check_conflicts(flags, from_file)
    except ConfigError as error:
        raise ConfigError(prefix + str(error)) from None
    values: Values = {**from_file, **flags}
    for flag in _MERGED & flags.keys() & from_file.keys():
        values[flag] = {**_map(from_file, flag), **_map(flags, flag)}
    return _build(values, places, path)


def _build(values: Values, places: Places, path: str) -> Config:
    tls = _tls(values)
    default_hosts = ["tcp://localhost:2376"] if tls else ["unix:///var/run/docker.sock"]
    debug = bool(values.get("debug", False))
    level = _string(values, "log-level", "info")
    if level not in ("debug", "info", "warn", "warning", "error", "fatal", "panic", "trace"):
        raise ConfigError(f"invalid logging level: {level}")
    mtu = values.get("mtu", 1500)
    if not isinstance(mtu, int) or mtu < 0:
        raise ConfigError(f"invalid default MTU: {mtu}")
    timeout = values.get("shutdown-timeout", 15)
    return Config(
        places=places,
        config_file=path,
        hosts=_list(values, "host") or default_hosts,
        tls=tls,
        data_root=os.path.abspath(_string(values, "data-root", places.data_root)),
        exec_root=os.path.abspath(_string(values, "exec-root", places.exec_root)),
        pidfile=_string(values, "pidfile", places.pidfile),
        debug=debug,
        log_level="debug" if debug else level,
        group=_string(values, "group", "docker"),
        default_runtime=_string(values, "default-runtime", "crun"),
        runtimes=_map(values, "add-runtime"),
        live_restore=bool(values.get("live-restore", True)),
        shutdown_timeout=timeout if isinstance(timeout, int) else 15,
        log_driver=_string(values, "log-driver", "json-file"),
        log_opts=_map(values, "log-opt"),
        labels=_list(values, "label"),
        insecure_registries=_list(values, "insecure-registry"),
        registry_mirrors=_list(values, "registry-mirror"),
        registry_trusted_hosts=_list(values, "registry-trusted-host"),
        mirrors=_map(values, "mirror"),
        proxies=_map(values, "proxies"),
        max_concurrent_downloads=_count(values, "max-concurrent-downloads", 3),
        max_concurrent_uploads=_count(values, "max-concurrent-uploads", 5),
        max_download_attempts=_count(values, "max-download-attempts", 5),
        dns=_list(values, "dns"),
        dns_opts=_list(values, "dns-opt"),
        dns_search=_list(values, "dns-search"),
        bip=_string(values, "bip", ""),
        bridge=_string(values, "bridge", ""),
        mtu=mtu,
        cgroup_parent=_string(values, "cgroup-parent", ""),
        default_shm_size=_string(values, "default-shm-size", ""),
    )


def _tls(values: Values) -> TlsFiles | None:
    """TLS is on by `tls`, and by any mention of `tlsverify` (seeds E3, E4)."""
    if not values.get("tls") and "tlsverify" not in values:
        return None
    default = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    verify = bool(values["tlsverify"]) if "tlsverify" in values else "tlscacert" in values
    return TlsFiles(
        ca=_string(values, "tlscacert", os.path.join(default, "ca.pem")),
        cert=_string(values, "tlscert", os.path.join(default, "cert.pem")),
        key=_string(values, "tlskey", os.path.join(default, "key.pem")),
        verify=verify,
    )


def _read(path: str, *, required: bool) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        if required:
            raise ConfigError(f"open {path}: no such file or directory") from None
        return {}
    except OSError as error:
        raise ConfigError(f"open {path}: {str(error.strerror).lower()}") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
        document = json.loads(text) if text.strip() else {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"invalid JSON: not {encoding} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(
            f"invalid JSON: {error.msg[0].lower()}{error.msg[1:]} ({where})"
        ) from None
    if not isinstance(document, dict):
        raise ConfigError("invalid JSON: the top level must be an object")
    return document


def _convert(document: dict[str, object]) -> Values:
    """File keys to option values by flag name; unknown keys are refused together."""
    unknown = sorted(key for key in document if key not in BY_KEY)
    if unknown:
        raise ConfigError(
            "the following directives don't match any configuration option: " + ", ".join(unknown)
        )
    return {
        BY_KEY[key].flag: _typed(BY_KEY[key], value)
        for key, value in document.items()
        if value is not None
    }


def _typed(option: Option, value: object) -> Value:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if option.kind is Kind.BOOL and isinstance(value, bool):
        return value
    if option.kind is Kind.INTEGER and isinstance(value, int) and is_number:
        return value
    if option.kind is Kind.STRING and isinstance(value, str):
        return value
    if option.kind is Kind.LIST and isinstance(value, list):
        strings = [item for item in value if isinstance(item, str)]
        if len(strings) == len(value):
            return strings
    if option.kind is Kind.MAP and isinstance(value, dict):
        return {str(key): _map_value(option, item) for key, item in value.items()}
    raise ConfigError(
        f"the value of {option.key} must be of type {option.kind.value}, not {json.dumps(value)}"
    )


def _map_value(option: Option, item: object) -> str:
    if isinstance(item, str):
        return item
    if option.key == "runtimes" and isinstance(item, dict) and isinstance(item.get("path"), str):
        return str(item["path"])
    if option.key == "mirrors" and isinstance(item, list):
        return ",".join(str(url) for url in item)
    raise ConfigError(f"a value in {option.key} must be a string, not {json.dumps(item)}")


def _check_conflicts(flags: Values, from_file: Values) -> None:
    conflicts = [
        f"{option.key}: (from flag: {_show(flags[option.flag])}, "
        f"from file: {_show(from_file[option.flag])})"
        for option in OPTIONS
        if option.flag in flags and option.flag in from_file and option.flag not in _MERGED
    ]
    if conflicts:
        raise ConfigError(
            "the following directives are specified both as a flag and in the configuration "
            "file: " + ", ".join(conflicts)
        )


def _show(value: Value) -> str:
    """A value as Go prints it."""
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{' '.join(value)}]"
        case dict():
            return f"map[{' '.join(f'{k}:{v}' for k, v in sorted(value.items()))}]"
        case _:
            return str(value)


def _string(values: Values, flag: str, default: str) -> str:
    value = values.get(flag, default)
    return value if isinstance(value, str) else default


def _count(values: Values, flag: str, default: int) -> int:
    """A number of things; 0 stands for the default."""
    value = values.get(flag, 0)
    number = value if isinstance(value, int) else 0
    if number < 0:
        raise ConfigError(f"invalid {flag.replace('-', ' ')}: {number}")
    return number or default


def _list(values: Values, flag: str) -> list[str]:
    value = values.get(flag, [])
    return list(value) if isinstance(value, list) else []


def _map(values: Values, flag: str) -> dict[str, str]:
    value = values.get(flag, {})
    return dict(value) if isinstance(value, dict) else {}
