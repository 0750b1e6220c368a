"""Logs as Docker writes them, on standard error.

    text      time="2026-01-02T03:04:05.123456789Z" level=info msg="API listen on /run/docker.sock"
    json      {"level":"info","msg":"API listen on /run/docker.sock","time":"2026-01-02T…"}
    terminal  INFO[2026-01-02T03:04:05.123456789Z] API listen on /run/docker.sock

Extra fields come from `extra={"fields": {...}}`. To the journal each line says its priority, so
that `journalctl -p warning` works. Source: daemon.md §7; sd-daemon(3).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping

from wharfie.formats.printable import make_printable
from wharfie.model.clock import rfc3339

_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_COLOURS = {"debug": 37, "info": 36, "warning": 33}
_RED = 31
_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_PADDED = 44
_LAYOUT = "\n\t"
_BARE = re.compile(r"[A-Za-z0-9\-._/@^+]+")
_NAMES = {"warn": "WARNING", "trace": "DEBUG", "fatal": "CRITICAL", "panic": "CRITICAL"}


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = dict(getattr(record, "fields", {}))
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = formatter.formatException(record.exc_info)
    return fields


def _level(record: logging.LogRecord) -> str:
    return _LEVELS.get(record.levelno, record.levelname.lower())


def _time(record: logging.LogRecord) -> str:
    return rfc3339(int(record.created * 1e9))


class TextFormatter(logging.Formatter):
    """One line a record; a traceback follows in the field `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message = json.dumps(record.getMessage(), ensure_ascii=False)
        line = f'time="{_time(record)}" level={_level(record)} msg={message}'
        return make_printable(line + _spell(_fields(self, record)))


class JsonFormatter(logging.Formatter):
    """One object a record, its keys sorted; a field never hides level, msg and time."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found = {
            f"fields.{key}" if key in ("level", "msg", "time") else key: value
            for key, value in _fields(self, record).items()
        }
        found |= {"level": _level(record), "msg": record.getMessage(), "time": _time(record)}
        line = json.dumps(
            found, sort_keys=True, default=str, ensure_ascii=False, separators=(",", ":")
        )
        return make_printable(line)


class TerminalFormatter(logging.Formatter):
    """For people at a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, or several where the message or a traceback has several."""
        level = _level(record)
        head = level[:4].upper()
        if self._colour:
            head = f"\x1b[{_COLOURS.get(level, _RED)}m{head}\x1b[0m"
        fields = _fields(self, record)
        trace = fields.pop("error", "") if record.exc_info else ""
        message = make_printable(record.getMessage(), keep=_LAYOUT)
        rest = make_printable(_spell(fields))
        line = f"{head}[{_time(record)}] {message:<{_PADDED if fields else 0}}{rest}"
        return f"{line}\n{make_printable(str(trace), keep=_LAYOUT)}" if trace else line


class JournalFormatter(logging.Formatter):
    """Another formatter's lines, each behind its priority: "<4>time=…"."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        priority = _PRIORITIES.get(record.levelno, 6)
        return f"<{priority}>{self._inner.format(record)}"


def set_up(level: str, *, style: str = "text", raw: bool = False) -> None:
    """Send all logs to standard error from `level` on.

    Args:
        level: as in the configuration.
        style: "text" or "json".
        raw: as for a file, at a terminal too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        choose_formatter(
            style,
            raw=raw,
            terminal=sys.stderr.isatty(),
            journal=is_journal(sys.stderr.fileno(), os.environ),
            colour=not os.environ.get("NO_COLOR"),
        )
    )
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Log from `level` on."""
    logging.getLogger().setLevel(_NAMES.get(level, level.upper()))


def choose_formatter(
    style: str, *, raw: bool, terminal: bool, journal: bool, colour: bool
) -> logging.Formatter:
    """The formatter that fits what standard error is."""
    if style == "json":
        chosen: logging.Formatter = JsonFormatter()
    elif terminal and not raw:
        chosen = TerminalFormatter(colour=colour)
    else:
        chosen = TextFormatter()
    return JournalFormatter(chosen) if journal else chosen


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether a descriptor is connected to the journal. Source: systemd.exec(5), JOURNAL_STREAM."""
    try:
        held = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{held.st_dev}:{held.st_ino}"


def complain(message: str) -> None:
    """Tell why the program ends, before or without a log."""
    prefix = "<3>" if is_journal(sys.stderr.fileno(), os.environ) else ""
    for line in message.split("\n"):
        sys.stderr.write(f"{prefix}{line}\n")


def _spell(fields: Mapping[str, object]) -> str:
    return "".join(f" {key}={_quote(str(value))}" for key, value in fields.items())


def _quote(value: str) -> str:
    return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
