"""What a driver sends, to whom, and how long it keeps trying; from the log's settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from wharfie.formats.logs.fluent import FluentEncoder
from wharfie.formats.logs.gelf import GelfEncoder
from wharfie.formats.logs.journal import JournalEncoder
from wharfie.formats.logs.lines import Record
from wharfie.formats.logs.syslog import SyslogEncoder
from wharfie.supervisor.logs.encoding import make_line_id
from wharfie.supervisor.logs.sending.address import Address, parse
from wharfie.supervisor.logs.sending.tls import TlsSettings
from wharfie.supervisor.logs.settings import LogSettings

JOURNAL_SOCKET = "/run/systemd/journal/socket"
_LOCAL_SYSLOG = ("/dev/log", "/var/run/syslog", "/var/run/log")


class Encoder(Protocol):
    """Turns a record into messages: packets, or bytes of a stream."""

    def encode(self, record: Record) -> list[bytes]:
        """The messages of one record; none when it cannot be sent."""


class Plan:
    """How one log is sent.

    Attributes:
        address: the receiver.
        encoder: of its messages.
        tls: None for plain text.
        delay: seconds between attempts to connect again.
        attempts: how many, before what waits is dropped; -1 for no end.
        waits_at_start: the task does not start before the receiver was reached.
        buffer: bytes that may wait before output is dropped; 0 makes the task wait.
        stall: seconds after which a connection that takes nothing is given up, 0 for never.
        refusal: why a receiver that is not there keeps the task from starting; `{}` stands for
            what the socket said.
        acked: messages are sent one by one, each after the other's acknowledgement.
    """

    __slots__ = (
        "acked", "address", "attempts", "buffer", "delay", "encoder", "refusal", "stall",
        "tls", "waits_at_start",
    )  # fmt: skip

    def __init__(self, settings: LogSettings, address: Address, encoder: Encoder) -> None:
        self.address = address
        self.encoder = encoder
        self.tls: TlsSettings | None = TlsSettings() if address.scheme == "tls" else None
        self.delay = 1.0
        self.attempts = 1
        self.waits_at_start = True
        self.buffer = settings.buffer
        self.stall = 0.0
        self.refusal = "{}"
        self.acked: Callable[[Record, str], list[bytes]] | None = None


def plan(settings: LogSettings) -> Plan:
    """The plan of a driver; ValueError for settings that cannot be."""
    return _PLANS[settings.driver](settings)


def _syslog(settings: LogSettings) -> Plan:
    options = settings.options
    text = options.get("address", "")
    address = parse(text) if text else Address("unixgram", path=_local_syslog())
    encoder = SyslogEncoder(
        format_=options.get("format", ""),
        facility=int(options.get("facility", "3")),
        tag=options.get("tag", ""),
        hostname=options.get("hostname", ""),
        pid=os.getpid(),
        counted=address.scheme == "tls",
    )
    result = Plan(settings, address, encoder)
    if not text:
        result.refusal = "Unix syslog delivery error"
    if result.tls is not None:
        result.tls = TlsSettings(
            ca=options.get("tls-ca-cert", ""),
            cert=options.get("tls-cert", ""),
            key=options.get("tls-key", ""),
            verify=not options.get("tls-skip-verify", ""),
        )
    return result


def _local_syslog() -> str:
    return next((path for path in _LOCAL_SYSLOG if os.path.exists(path)), _LOCAL_SYSLOG[0])


def _journald(settings: LogSettings) -> Plan:
    result = Plan(
        settings, Address("unixgram", path=JOURNAL_SOCKET), JournalEncoder(settings.fields)
    )
    result.attempts = 10
    result.refusal = "journald is not enabled on this host"
    return result


def _gelf(settings: LogSettings) -> Plan:
    options = settings.options
    address = parse(options.get("address", ""))
    encoder = GelfEncoder(
        settings.fields,
        hostname=options.get("hostname", ""),
        datagrams=address.is_datagram,
        compression=options.get("compression-type", "gzip"),
        level=int(options.get("compression-level", "1")),
        make_id=lambda: os.urandom(8),
    )
    result = Plan(settings, address, encoder)
    result.refusal = f"gelf: cannot connect to GELF endpoint: {address.host}:{address.port} {{}}"
    result.attempts = int(options.get("max-reconnect", "3"))
    result.delay = float(options.get("reconnect-delay", "1"))
    return result


def _fluentd(settings: LogSettings) -> Plan:
    options = settings.options
    encoder = FluentEncoder(
        options.get("tag", ""),
        settings.fields,
        sub_second=bool(options.get("sub-second-precision", "")),
    )
    result = Plan(settings, parse(options.get("address", "")), encoder)
    result.attempts = int(options.get("max-retries", "") or "-1")
    result.delay = int(options.get("retry-wait", "1000")) / 1000
    result.stall = int(options.get("write-timeout", "0")) / 1000
    if options.get("async", ""):
        result.waits_at_start = False
        result.buffer = result.buffer or int(options.get("buffer-limit", "1048576"))
    if options.get("request-ack", ""):
        result.acked = encoder.encode
    return result


_PLANS: dict[str, Callable[[LogSettings], Plan]] = {
    "syslog": _syslog,
    "journald": _journald,
    "gelf": _gelf,
    "fluentd": _fluentd,
}

__all__ = ["Encoder", "Plan", "make_line_id", "plan"]
