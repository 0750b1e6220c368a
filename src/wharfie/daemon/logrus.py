"""Logs in Docker's text form on standard error.

    time="2026-01-02T03:04:05.123456789Z" level=info msg="API listen on /run/docker.sock"

Extra fields come from `extra={"fields": {...}}`. Source: daemon.md §7.
"""

from __future__ import annotations

import json
import logging
import re
import sys

from wharfie.model.clock import rfc3339

_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_BARE = re.compile(r"[A-Za-z0-9\-._/@^+]+")


class TextFormatter(logging.Formatter):
    """Formats records as logrus does."""

    def format(self, record: logging.LogRecord) -> str:
        """One line a record; a traceback follows in the field `error`."""
        time = rfc3339(int(record.created * 1e9))
        level = _LEVELS.get(record.levelno, record.levelname.lower())
        line = f'time="{time}" level={level} msg={json.dumps(record.getMessage())}'
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = self.formatException(record.exc_info)
        return line + "".join(f" {key}={_quote(str(value))}" for key, value in fields.items())


def set_up(level: str) -> None:
    """Send all logs to standard error from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    names = {"warn": "WARNING", "trace": "DEBUG", "fatal": "CRITICAL", "panic": "CRITICAL"}
    root.setLevel(names.get(level, level.upper()))
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _quote(value: str) -> str:
    return value if _BARE.fullmatch(value) else json.dumps(value)
