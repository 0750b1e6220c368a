"""The log drivers, the options each one takes, and what is refused at create.

Numbers and templates are looked at when the container starts, as Docker does; here only what
Docker refuses when a container is created. Source: behaviours 36, 95–97; Docker's documentation
of its logging drivers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from wharfie.engine.containers.logs.values import (
    parse_boolean,
    parse_integer,
    parse_milliseconds,
    parse_ram,
)
from wharfie.model.errors import InvalidArgument

DRIVERS = ("fluentd", "gelf", "journald", "json-file", "local", "syslog")
"""What `info` lists; "none" works too, but is not shown (as with Docker)."""
NONE = "none"

_COMMON = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_ROTATION = frozenset({"max-size", "max-file", "compress"})
_BUILT_IN = frozenset({"mode", "max-buffer-size", "cache-disabled"}) | {
    f"cache-{key}" for key in _ROTATION
}
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
)  # fmt: skip
SYSLOG_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_TRANSPORTS = ("tcp", "tcp+tls", "udp", "unix", "unixgram")
_FLUENTD = frozenset({
    "fluentd-address", "fluentd-async", "fluentd-async-reconnect-interval", "fluentd-buffer-limit",
    "fluentd-max-retries", "fluentd-read-timeout", "fluentd-request-ack", "fluentd-retry-wait",
    "fluentd-sub-second-precision", "fluentd-write-timeout",
})  # fmt: skip
_GELF = frozenset({
    "gelf-address", "gelf-compression-level", "gelf-compression-type", "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
})  # fmt: skip
_SYSLOG = frozenset({
    "syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert",
    "syslog-tls-key", "syslog-tls-skip-verify",
})  # fmt: skip
_KEYS = {
    "json-file": _COMMON | _ROTATION,
    "local": _COMMON | _ROTATION,
    "journald": _COMMON,
    "syslog": _COMMON | _SYSLOG,
    "fluentd": _COMMON | _FLUENTD,
    "gelf": _COMMON | _GELF,
}


def check_log_config(driver: str, options: Mapping[str, str]) -> None:
    """Refuse an unknown driver, an unknown option, a value that cannot be.

    Raises:
        InvalidArgument: in Docker's words.
    """
    if driver == NONE:
        return
    _check_mode(options)
    if driver not in _KEYS:
        raise InvalidArgument(
            f'error looking up logging plugin {driver}: plugin "{driver}" not found'
        )
    disabled = options.get("cache-disabled", "")
    if disabled:
        try:
            parse_boolean(disabled)
        except InvalidArgument:
            raise InvalidArgument(f"invalid value for option cache-disabled: {disabled}") from None
    for key in options:
        if key not in _BUILT_IN and key not in _KEYS[driver]:
            raise InvalidArgument(_unknown(driver, key))
    check = _CHECKS.get(driver)
    if check is not None:
        check(options)


def parse_facility(text: str) -> int:
    """The number of a syslog facility, given by name or number; "" is daemon."""
    if not text:
        return _FACILITIES.index("daemon")
    if text in _FACILITIES:
        return _FACILITIES.index(text)
    if text.isascii() and text.isdecimal() and int(text) < len(_FACILITIES):
        return int(text)
    raise InvalidArgument("invalid syslog facility")


def parse_syslog_address(address: str) -> str:
    """The address with its port, "" for the local daemon."""
    if not address:
        return ""
    parts = _split("syslog-address", address)
    if parts[0] in ("unix", "unixgram"):
        return address  # whether it is there shows when it is connected to
    host, port = split_port("syslog-address", parts[1])
    return f"{parts[0]}://{host}:{port or 514}"


def parse_gelf_address(address: str) -> str:
    """The address of a GELF receiver."""
    if not address:
        raise InvalidArgument("gelf-address is a required parameter")
    scheme, rest = _split("gelf-address", address)
    if scheme not in ("udp", "tcp"):
        raise InvalidArgument("gelf: endpoint needs to be TCP or UDP")
    host, port = split_port("gelf-address", rest)
    if not port:
        raise InvalidArgument("gelf: please provide gelf-address as proto://host:port")
    return f"{scheme}://{host}:{port}"


def parse_fluentd_address(address: str) -> str:
    """The address of a Fluentd, `127.0.0.1:24224` by default, TCP unless it says otherwise."""
    if not address:
        return "tcp://127.0.0.1:24224"
    text = address if "://" in address else f"tcp://{address}"
    refused = f"invalid fluentd-address ({address})"
    scheme, _, rest = text.partition("://")
    path = urlsplit(text).path
    if scheme == "unix":
        if not path:
            raise InvalidArgument(f"{refused}: path is empty")
        return f"unix://{path}"
    if scheme not in ("tcp", "tls"):
        raise InvalidArgument(f"{refused}: unsupported scheme: '{scheme}'")
    if path not in ("", "/"):
        raise InvalidArgument(f"{refused}: should not contain a path element")
    try:
        host, port = split_port("fluentd-address", rest.rstrip("/"))
    except InvalidArgument as error:
        raise InvalidArgument(f"{refused}: {error}") from None
    return f"{scheme}://{host or '127.0.0.1'}:{port or 24224}"


def split_port(option: str, text: str) -> tuple[str, int]:
    """Split "host:port", "[v6]:port" or "host"; the port is 0 when it is not given."""
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or not colon:
        return text, 0
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise InvalidArgument(f"invalid {option} {text}: too many colons in address")
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise InvalidArgument(f'invalid {option} {text}: invalid port "{port}"')
    return host, int(port)


def _split(option: str, address: str) -> tuple[str, str]:
    scheme, mark, rest = address.partition("://")
    if option == "syslog-address" and scheme not in _TRANSPORTS:
        raise InvalidArgument(f"unsupported scheme: '{scheme if mark else ''}'")
    if not mark:
        raise InvalidArgument(f"{option} should be in form proto://address, got {address}")
    return scheme, rest


def _unknown(driver: str, key: str) -> str:
    if driver == "local":
        return f"unknown log opt '{key}' for log driver local"
    quoted = f'"{key}"' if driver == "gelf" else f"'{key}'"
    return f"unknown log opt {quoted} for {driver} log driver"


def _check_mode(options: Mapping[str, str]) -> None:
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    size = options.get("max-buffer-size")
    if size is None:
        return
    if mode != "non-blocking":
        raise InvalidArgument(
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
        )
    try:
        parse_ram(size)
    except InvalidArgument as error:
        raise InvalidArgument(f"error parsing option max-buffer-size: {error}") from None


def _check_syslog(options: Mapping[str, str]) -> None:
    parse_syslog_address(options.get("syslog-address", ""))
    parse_facility(options.get("syslog-facility", ""))
    if options.get("syslog-format", "") not in SYSLOG_FORMATS:
        raise InvalidArgument("Invalid syslog format")


def _check_gelf(options: Mapping[str, str]) -> None:
    scheme = parse_gelf_address(options.get("gelf-address", "")).partition(":")[0]
    for key, value in options.items():
        unknown = f'unknown value "{value}" for log opt "{key}" for gelf log driver'
        if key.startswith("gelf-tcp-"):
            if scheme != "tcp":
                raise InvalidArgument(f'"{key}" is only valid for TCP')
            if not (value.isascii() and value.isdecimal()):
                raise InvalidArgument(f'"{key}" must be a positive integer')
        elif key.startswith("gelf-compression-"):
            if scheme != "udp":
                raise InvalidArgument("compression is only supported on UDP")
            is_type = key == "gelf-compression-type"
            if is_type and value not in ("gzip", "zlib", "none"):
                raise InvalidArgument(unknown)
            if not is_type and value not in map(str, range(-1, 10)):
                raise InvalidArgument(unknown)


def _check_fluentd(options: Mapping[str, str]) -> None:
    parse_fluentd_address(options.get("fluentd-address", ""))
    checks: dict[str, Callable[[str], object]] = {
        "fluentd-async": parse_boolean,
        "fluentd-async-reconnect-interval": _check_interval,
        "fluentd-buffer-limit": parse_ram,
        "fluentd-max-retries": parse_integer,
        "fluentd-read-timeout": parse_milliseconds,
        "fluentd-request-ack": parse_boolean,
        "fluentd-retry-wait": parse_milliseconds,
        "fluentd-sub-second-precision": parse_boolean,
        "fluentd-write-timeout": parse_milliseconds,
    }
    for key, check in checks.items():
        if options.get(key, ""):
            check(options[key])


def _check_interval(text: str) -> None:
    interval = parse_milliseconds(text)
    if interval and not 100 <= interval <= 10_000:
        raise InvalidArgument("value must be between 100ms and 10s")


_CHECKS: dict[str, Callable[[Mapping[str, str]], None]] = {
    "syslog": _check_syslog,
    "gelf": _check_gelf,
    "fluentd": _check_fluentd,
}
