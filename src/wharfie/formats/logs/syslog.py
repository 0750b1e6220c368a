"""Syslog messages in the formats Docker's syslog driver offers.

    ""             <30>Jan _2 15:04:05 tag[pid]: line
    rfc3164        <30>Jan _2 15:04:05 host tag[pid]: line
    rfc5424        <30>1 2026-01-02T15:04:05+01:00 host tag pid tag - line
    rfc5424micro   the same with microseconds

Standard error has severity 3, standard output 6. A message ends with a newline; over TLS, the
rfc5424 formats are preceded by their length instead of only ending so (RFC 5425).
"""

from __future__ import annotations

import time

from wharfie.formats.logs.lines import STDERR, Record

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SECOND = 1_000_000_000


class SyslogEncoder:
    """Encodes records for one container.

    Args:
        format_: one of the formats above.
        facility: 0–23.
        tag: of every message.
        hostname: of this host.
        pid: of the sender.
        counted: precede each message by its length.
    """

    def __init__(
        self, *, format_: str, facility: int, tag: str, hostname: str, pid: int, counted: bool
    ) -> None:
        self._format = format_
        self._priorities = (facility * 8 + 6, facility * 8 + 3)
        self._tag = tag
        self._hostname = hostname or "-"
        self._pid = pid
        self._counted = counted and format_.startswith("rfc5424")
        self._second = -1
        self._clock = ""
        self._zone = ""

    def encode(self, record: Record) -> list[bytes]:
        """The one message of a record."""
        second, fraction = divmod(record.time, SECOND)
        if second != self._second:
            self._read_clock(second)
        priority = self._priorities[record.stream == STDERR]
        tag, pid = self._tag, self._pid
        match self._format:
            case "rfc5424" | "rfc5424micro":
                micro = f".{fraction // 1000:06d}" if self._format == "rfc5424micro" else ""
                stamp = f"{self._clock}{micro}{self._zone}"
                head = f"<{priority}>1 {stamp} {self._hostname} {tag} {pid} {tag} - "
            case "rfc3164":
                head = f"<{priority}>{self._clock} {self._hostname} {tag}[{pid}]: "
            case _:
                head = f"<{priority}>{self._clock} {tag}[{pid}]: "
        message = head.encode() + record.line + b"\n"
        return [b"%d %b" % (len(message), message)] if self._counted else [message]

    def _read_clock(self, second: int) -> None:
        local = time.localtime(second)
        self._second = second
        clock = f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"
        if not self._format.startswith("rfc5424"):
            self._clock = f"{_MONTHS[local.tm_mon - 1]} {local.tm_mday:2d} {clock}"
            return
        self._clock = f"{local.tm_year:04d}-{local.tm_mon:02d}-{local.tm_mday:02d}T{clock}"
        sign, offset = ("-", -local.tm_gmtoff) if local.tm_gmtoff < 0 else ("+", local.tm_gmtoff)
        minutes = offset // 60
        self._zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if minutes else "Z"
