"""From a container's log options to what the supervisor is told, and to where to read it back.

Without options a json-file log is rotated (10 MB, five files), so that no log fills a disk.
Source: behaviours 94, 95, 97, 99.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from wharfie.engine.containers.logs import drivers
from wharfie.engine.containers.logs.info import command_of, extra_attributes, render_tag
from wharfie.engine.containers.logs.values import (
    parse_boolean,
    parse_human,
    parse_integer,
    parse_milliseconds,
    parse_ram,
)
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.model.container import Container
from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import short
from wharfie.model.logs import LogFormat, LogLocation
from wharfie.model.task import LogSpec

DEFAULT_SIZE = 10_000_000
DEFAULT_FILES = 5
LOCAL_SIZE = 20 << 20
RING_SIZE = 1 << 20
"""Bytes that wait in non-blocking mode unless `max-buffer-size` says otherwise."""
_FILES = ("json-file", "local")


class _Rotation(Struct, frozen=True):
    size: int
    files: int
    compress: bool


def log_location(record: Container, directories: ContainerDirectories) -> LogLocation | None:
    """Where a container's log can be read back; None when it cannot."""
    log = record.host_config.log_config
    match log.type or "json-file":
        case "json-file":
            return LogLocation(directories.log_path(record.id), LogFormat.JSON)
        case "local":
            return LogLocation(
                directories.path(record.id, "local-logs/container.log"), LogFormat.LOCAL
            )
        case drivers.NONE:
            return None
        case _:
            if _is_uncached(log.config):
                return None
            return LogLocation(directories.path(record.id, "container-cached.log"), LogFormat.LOCAL)


def log_spec(record: Container, directories: ContainerDirectories, hostname: str) -> LogSpec:
    """What the supervisor does with a container's output.

    Raises:
        Internal: an option that looks right cannot be (Docker finds out at the start, too).
    """
    log = record.host_config.log_config
    driver = log.type or "json-file"
    if driver == drivers.NONE:
        return LogSpec(driver="none")
    try:
        return _spec(record, driver, log.config, log_location(record, directories), hostname)
    except InvalidArgument as error:
        raise Internal(
            f"failed to create task for container: failed to initialize logging driver: {error}"
        ) from None


def _spec(
    record: Container,
    driver: str,
    options: Mapping[str, str],
    location: LogLocation | None,
    hostname: str,
) -> LogSpec:
    attributes: dict[str, str] = {}
    if driver in _FILES:
        attributes = extra_attributes(record)
        tag = render_tag(record, hostname, "")
        if tag:
            attributes["tag"] = tag
    rotation = (
        _json_rotation(options) if driver == "json-file" else _local_rotation(driver, options)
    )
    sent, fields = _MESSAGES[driver](record, options, hostname) if driver in _MESSAGES else ({}, {})
    return LogSpec(
        driver=driver,
        path=location.path if location else "",
        max_size=rotation.size,
        max_files=rotation.files,
        compress=rotation.compress,
        attributes=attributes,
        buffer=_buffer(options),
        options=sent,
        fields=fields,
    )


def _is_uncached(options: Mapping[str, str]) -> bool:
    text = options.get("cache-disabled", "")
    return bool(text) and parse_boolean(text)


def _buffer(options: Mapping[str, str]) -> int:
    if options.get("mode", "") != "non-blocking":
        return 0
    size = options.get("max-buffer-size", "")
    return max(1, parse_ram(size)) if size else RING_SIZE


def _json_rotation(options: Mapping[str, str]) -> _Rotation:
    size, files = DEFAULT_SIZE, DEFAULT_FILES
    if "max-size" in options:
        text = options["max-size"]
        size = 0 if text in ("-1", "") else parse_human(text)
        if not size and text not in ("-1", ""):
            raise InvalidArgument("max-size must be a positive number")
    if "max-file" in options:
        files = parse_integer(options["max-file"])
        if files < 1:
            raise InvalidArgument("max-file cannot be less than 1")
    compress = "compress" in options and parse_boolean(options["compress"])
    if compress and (files == 1 or not size):
        raise InvalidArgument(
            "compress cannot be true when max-file is less than 2 or max-size is not set"
        )
    return _Rotation(size, files, compress)


def _local_rotation(driver: str, options: Mapping[str, str]) -> _Rotation:
    """Of the local driver, or of the copy kept beside a driver that cannot be read."""
    prefix = "" if driver == "local" else "cache-"
    size, files = LOCAL_SIZE, DEFAULT_FILES
    given = {key: options[f"{prefix}{key}"] for key in ("max-size", "max-file", "compress")
             if f"{prefix}{key}" in options}  # fmt: skip
    if "max-size" in given:
        size = _named("max-size", given["max-size"], parse_human)
    if "max-file" in given:
        files = _named("max-file", given["max-file"], parse_integer)
        if files < 0:
            raise InvalidArgument("max-file must not be negative")
    compress = True
    if "compress" in given:
        compress = parse_boolean(given["compress"])
    if compress and files <= 1:
        raise InvalidArgument("compression cannot be enabled when max file count is 1")
    return _Rotation(size, max(1, files), compress)


def _named(key: str, text: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid value for {key}: {text}: {error}") from None


_Message = tuple[dict[str, str], dict[str, str]]


def _syslog(record: Container, options: Mapping[str, str], hostname: str) -> _Message:
    sent = {
        "address": drivers.parse_syslog_address(options.get("syslog-address", "")),
        "facility": str(drivers.parse_facility(options.get("syslog-facility", ""))),
        "format": options.get("syslog-format", ""),
        "hostname": hostname,
        "tag": render_tag(record, hostname),
        "tls-ca-cert": options.get("syslog-tls-ca-cert", ""),
        "tls-cert": options.get("syslog-tls-cert", ""),
        "tls-key": options.get("syslog-tls-key", ""),
        "tls-skip-verify": "true" if "syslog-tls-skip-verify" in options else "",
    }
    return sent, {}


def _journald(record: Container, options: Mapping[str, str], hostname: str) -> _Message:  # noqa: ARG001 # form
    tag = render_tag(record, hostname)
    fields = {
        "CONTAINER_ID": short(record.id),
        "CONTAINER_ID_FULL": record.id,
        "CONTAINER_NAME": record.name,
        "CONTAINER_TAG": tag,
        "IMAGE_NAME": record.image_ref,
        "SYSLOG_IDENTIFIER": tag,
    }
    return {}, {**fields, **extra_attributes(record, _journal_key)}


def _journal_key(key: str) -> str:
    """Upper case, digits and underscores only, none of these in front."""
    kept = "".join(c.upper() if c.isascii() and c.isalnum() else "_" for c in key)
    return kept.lstrip("_")


def _gelf(record: Container, options: Mapping[str, str], hostname: str) -> _Message:
    fields = {
        "_container_id": record.id,
        "_container_name": record.name,
        "_image_id": record.image,
        "_image_name": record.image_ref,
        "_command": command_of(record),
        "_tag": render_tag(record, hostname),
        "_created": record.created,
    }
    fields |= extra_attributes(record, lambda key: key if key.startswith("_") else f"_{key}")
    sent = {
        "address": drivers.parse_gelf_address(options.get("gelf-address", "")),
        "hostname": hostname,
        "compression-type": options.get("gelf-compression-type", "gzip"),
        "compression-level": options.get("gelf-compression-level", "1"),
        "max-reconnect": options.get("gelf-tcp-max-reconnect", "3"),
        "reconnect-delay": options.get("gelf-tcp-reconnect-delay", "1"),
    }
    return sent, fields


def _fluentd(record: Container, options: Mapping[str, str], hostname: str) -> _Message:
    fields = {"container_id": record.id, "container_name": f"/{record.name}"}
    wait = options.get("fluentd-retry-wait", "")
    timeout = options.get("fluentd-write-timeout", "")
    sent = {
        "address": drivers.parse_fluentd_address(options.get("fluentd-address", "")),
        "tag": render_tag(record, hostname),
        "async": _flag(options, "fluentd-async"),
        "buffer-limit": str(parse_ram(options.get("fluentd-buffer-limit", "") or "1m")),
        "max-retries": options.get("fluentd-max-retries", ""),
        "request-ack": _flag(options, "fluentd-request-ack"),
        "retry-wait": str(parse_milliseconds(wait) if wait else 1000),
        "sub-second-precision": _flag(options, "fluentd-sub-second-precision"),
        "write-timeout": str(parse_milliseconds(timeout) if timeout else 0),
    }
    return sent, {**fields, **extra_attributes(record)}


def _flag(options: Mapping[str, str], key: str) -> str:
    text = options.get(key, "")
    return "true" if text and parse_boolean(text) else ""


_MESSAGES = {"syslog": _syslog, "journald": _journald, "gelf": _gelf, "fluentd": _fluentd}
