"""What values must be, beyond their types; messages as measured on dockerd 28.5. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from wharfie.api.versions import CEILING, FLOOR, spell
from wharfie.daemon.config.errors import ConfigError
from wharfie.daemon.config.options import BY_NAME, Support, Values
from wharfie.daemon.config.settings import Settings

_LEVELS = ("debug", "info", "warn", "warning", "error", "fatal", "panic", "trace")
_DOMAIN = re.compile(
    r"\.?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?"
)
_PERCENT = re.compile(r"[1-9][0-9]?%")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_AT_LEAST_ZERO = {
    "mtu": "invalid default MTU",
    "max-concurrent-downloads": "invalid max concurrent downloads",
    "max-concurrent-uploads": "invalid max concurrent uploads",
    "max-download-attempts": "invalid max download attempts",
    "default-stop-timeout": "invalid default stop timeout",
}
_ONE_OF = {
    "log-level": (_LEVELS, "invalid logging level: {}"),
    "log-format": (("text", "json"), "invalid log format: {}"),
    "default-ipc-mode": (
        ("private", "shareable"),
        'default IPC mode setting ({}) is invalid; use "shareable" or "private"',
    ),
    "default-cgroupns-mode": (
        ("host", "private", ""),
        'invalid default cgroup namespace ({}): use "host" or "private"',
    ),
    "firewall-backend": (
        ("", "iptables", "nftables"),
        'invalid firewall-backend "{}": must be iptables or nftables',
    ),
    "storage-driver": (
        ("", "overlay2", "overlayfs"),
        "error initializing graphdriver: driver not supported: {} (this engine has overlay2)",
    ),
}


def check_settings(settings: Settings) -> None:
    """Refuse values that cannot be, and options whose being ignored would be unsafe.

    Raises:
        ConfigError: the first thing wrong.
    """
    values = settings.values
    try:
        for check in _CHECKS:
            check(values)
    except ConfigError as error:
        if not settings.document.exists:
            raise
        raise ConfigError(
            f"unable to configure the Docker daemon with file {settings.document.path}: merged "
            f"configuration validation from file and command line flags failed: {error}"
        ) from None
    _check_labels_agree(values)
    _check_supported(settings)


def warnings_of(settings: Settings) -> list[str]:
    """What was set and has no effect here, for the log and `docker info`."""
    found = []
    for name, setting in settings.given.items():
        option = BY_NAME[name]
        if option.support is Support.WARNED and _is_set(setting.value, option.default):
            found.append(f"{name} ({setting.source}) has no effect: {option.note}")
    values = settings.values
    features = values.get("features", {})
    assert isinstance(features, dict)
    found += [
        f"feature {name} ({settings.given['features'].source}) has no effect: this engine has none "
        "of that name"
        for name, is_on in features.items()
        if is_on
    ]
    if values.get("firewall-backend") == "iptables":
        found.append("firewall-backend iptables has no effect: this engine uses nftables")
    return found


def _check_supported(settings: Settings) -> None:
    for name, setting in settings.given.items():
        option = BY_NAME[name]
        if option.support is Support.REFUSED and _is_set(setting.value, option.default):
            raise ConfigError(
                f"option {name} ({setting.source}) is not supported by this engine: {option.note}"
            )


def _is_set(value: object, default: object) -> bool:
    if isinstance(value, list) and isinstance(default, tuple):
        return tuple(value) != default
    return value != default


def _check_integers(values: Values) -> None:
    for name, complaint in _AT_LEAST_ZERO.items():
        value = values.get(name, 0)
        if isinstance(value, int) and value < 0:
            raise ConfigError(f"{complaint}: {value}")


def _check_choices(values: Values) -> None:
    for name, (allowed, complaint) in _ONE_OF.items():
        value = values.get(name)
        if value is not None and value not in allowed:
            raise ConfigError(complaint.format(value))


def _check_labels(values: Values) -> None:
    for label in _texts(values, "labels"):
        if "=" not in label:
            raise ConfigError(f"bad attribute format: {label}")


def _check_labels_agree(values: Values) -> None:
    seen: dict[str, str] = {}
    for label in _texts(values, "labels"):
        key, _, value = label.partition("=")
        if seen.setdefault(key, value) != value:
            raise ConfigError(f"conflict labels for {key}={value} and {key}={seen[key]}")


def _check_dns(values: Values) -> None:
    for domain in _texts(values, "dns-search"):
        if domain.strip() != "." and not (_DOMAIN.fullmatch(domain) and len(domain) <= 255):
            raise ConfigError(f"{domain} is not a valid domain")


def _check_registries(values: Values) -> None:
    for mirror in _texts(values, "registry-mirrors"):
        try:
            found = urlsplit(mirror)
        except ValueError:
            raise ConfigError(f'invalid mirror: "{mirror}" is not a valid URI') from None
        must = "must use either 'https://' or 'http://'"
        if not found.scheme:
            raise ConfigError(f'invalid mirror: no scheme specified for "{mirror}": {must}')
        if found.scheme not in ("http", "https"):
            raise ConfigError(
                f'invalid mirror: unsupported scheme "{found.scheme}" in "{mirror}": {must}'
            )
        if found.query or found.fragment:
            raise ConfigError(f'invalid mirror: query or fragment at end of the URI "{mirror}"')
        if found.username is not None:
            masked = mirror.replace(found.netloc.rpartition("@")[0], "xxxxx:xxxxx", 1)
            raise ConfigError(f'invalid mirror: username/password not allowed in URI "{masked}"')
    for registry in _texts(values, "insecure-registries"):
        if registry.startswith(("http://", "https://")):
            raise ConfigError(f"insecure registry {registry} should not contain '://'")


def _check_exec_opts(values: Values) -> None:
    for text in _texts(values, "exec-opts"):
        key, sign, value = text.partition("=")
        if not (sign and value):
            raise ConfigError(f"invalid exec-opt ({text}): must be formatted 'opt=value'")
        if key.strip().lower() != "native.cgroupdriver":
            raise ConfigError(f"invalid exec-opt ({text}): unknown option: '{key}'")
        if value not in ("cgroupfs", "systemd"):
            raise ConfigError(f'native.cgroupdriver option "{value}" not supported')
    for text in _texts(values, "storage-opts"):
        if text.partition("=")[0].lower() != "overlay2.override_kernel_check":
            raise ConfigError(
                f"overlay2: unknown option {text.partition('=')[0]} (this engine knows "
                "overlay2.override_kernel_check, which does nothing)"
            )


def _check_runtimes(values: Values) -> None:
    runtimes = values.get("runtimes", {})
    assert isinstance(runtimes, dict)
    for name, runtime in runtimes.items():
        if not runtime.get("path"):
            kind = runtime.get("runtimeType")
            why = f"containerd's shims ({kind}) are not supported" if kind else "it has no path"
            raise ConfigError(f"invalid runtime {name}: {why}")


def _check_networks(values: Values) -> None:
    pools = values.get("default-address-pools", [])
    assert isinstance(pools, list)
    for pool in pools:
        lowered = {key.lower(): value for key, value in pool.items()}
        try:
            base = ipaddress.ip_network(str(lowered.get("base", "")), strict=False)
        except ValueError as error:
            raise ConfigError(f"invalid default address pool: {error}") from None
        size = lowered.get("size")
        if not isinstance(size, int) or not base.prefixlen <= size <= base.max_prefixlen:
            raise ConfigError(f"invalid default address pool: size {size} does not fit {base}")
    if "host-gateway-ip" in values and "host-gateway-ips" in values:
        raise ConfigError(
            "host-gateway-ip and host-gateway-ips must not both be specified in the config file"
        )


def _check_version(values: Values) -> None:
    text = values.get("min-api-version")
    if text is None:
        return
    if not _VERSION.fullmatch(str(text)):
        raise ConfigError(
            f'invalid minimum API version "{text}": it must be like 1.40, without "v" prefix'
        )
    version = tuple(int(part) for part in str(text).split("."))
    if not FLOOR <= version <= CEILING:
        raise ConfigError(
            f"invalid minimum API version {text}: this engine serves {spell(FLOOR)} to "
            f"{spell(CEILING)}"
        )


def _check_watermarks(values: Values) -> None:
    high, low = (str(values.get(f"gc-{name}") or "") for name in ("high", "low"))
    if not high and not low:
        return
    for name, text in (("high", high), ("low", low)):
        if not _PERCENT.fullmatch(text):
            raise ConfigError(
                f'invalid gc {name} watermark "{text}": give both as per cent of the disk, '
                'like "gc": {"high": "85%", "low": "70%"}'
            )
    if int(low[:-1]) >= int(high[:-1]):
        raise ConfigError(f"invalid gc watermarks: low ({low}) must be below high ({high})")


_CHECKS: tuple[Callable[[Values], None], ...] = (
    _check_integers,
    _check_choices,
    _check_labels,
    _check_dns,
    _check_registries,
    _check_exec_opts,
    _check_runtimes,
    _check_networks,
    _check_version,
    _check_watermarks,
)


def _texts(values: Mapping[str, object], name: str) -> list[str]:
    value = values.get(name, [])
    return [str(item) for item in value] if isinstance(value, list) else []
