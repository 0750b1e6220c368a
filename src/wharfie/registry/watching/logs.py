"""The registry's log: lines of text or JSON on standard error, and one line a request.

Requests are written by a thread of their own with a bounded queue: whoever reads the log slowly
loses lines of it (and is told how many) instead of slowing the registry down. What strangers
send is escaped: no line of the log is theirs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Mapping

from wharfie.registry.config.watching import LogConfig
from wharfie.registry.ports import Event, Outcome

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
_NAMES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "fatal"}
_MOST_WAITING = 20_000
_LONGEST = 2048
_BARE = re.compile(r"[A-Za-z0-9._/@^+:-]+")
_TOGETHER = 0.05
"""Seconds lines are gathered for: waking a thread for each would cost more than the line."""


class Style(logging.Formatter):
    """Spells a line: fields in JSON, or `key=value` as logrus does."""

    def __init__(self, config: LogConfig) -> None:
        super().__init__()
        self._is_json = config.style == "json"
        self._fields = dict(config.fields)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return self.line(_NAMES.get(record.levelno, "info"), text, {}, record.created)

    def line(self, level: str, text: str, fields: Mapping[str, object], moment: float) -> str:
        """One line of these fields."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
        stamp += f".{int(moment % 1 * 1e6):06d}Z"
        entry = {"time": stamp, "level": level, "msg": text, **self._fields, **fields}
        if self._is_json:
            return json.dumps(entry)
        return " ".join(f"{key}={_spell(value)}" for key, value in entry.items())


def set_up(config: LogConfig) -> None:
    """Have everything that is logged written to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Style(config))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[config.level])


class AccessLog:
    """A line a request. Implements `ports.Observer`.

    Args:
        config: of the log.
        fd: written to; standard error.
    """

    def __init__(self, config: LogConfig, fd: int = 2) -> None:
        self._style = Style(config)
        self._fd = fd
        self._batches: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._batch: list[bytes] = []
        # One thread counts up, the other one down: each has a number of its own.
        self._given = 0
        self._written = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._write, name="access log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return self._given - self._written + len(self._batch)

    def happened(self, event: Event) -> None:
        """See `ports.Observer`: the request's own line tells of it."""

    def answered(self, outcome: Outcome) -> None:
        """See `ports.Observer`."""
        uri = f"{outcome.path}?{outcome.query}" if outcome.query else outcome.path
        fields: dict[str, object] = {
            "http.request.method": outcome.method,
            "http.request.uri": uri[:_LONGEST],
            "http.request.remoteaddr": outcome.caller.address,
            "http.request.host": outcome.host[:_LONGEST],
            "http.request.useragent": outcome.user_agent[:_LONGEST],
            "http.request.id": outcome.request_id,
            "http.response.status": outcome.status,
            "http.response.written": outcome.sent,
            "http.response.duration": f"{outcome.seconds * 1e3:.3f}ms",
        }
        some = {
            "auth.user.name": outcome.identity.name,
            "vars.name": outcome.repository,
            "err.code": outcome.code.lower(),
            "http.request.referer": outcome.referer[:_LONGEST],
        }
        fields |= {name: text for name, text in some.items() if text}
        line = self._style.line("info", "response completed", fields, outcome.time or time.time())
        if self.waiting >= _MOST_WAITING:
            self.lost += 1
            return
        self._batch.append(line.encode("ascii", "backslashreplace"))
        if len(self._batch) == 1:
            self._gather()

    def close(self) -> None:
        """Write what waits, for at most two seconds."""
        self._hand_over()
        self._batches.put(None)
        self._thread.join(2.0)

    def _gather(self) -> None:
        try:
            asyncio.get_running_loop().call_later(_TOGETHER, self._hand_over)
        except RuntimeError:  # nobody would call later
            self._hand_over()

    def _hand_over(self) -> None:
        if self._batch:
            self._given += len(self._batch)
            self._batches.put(self._batch)
            self._batch = []

    def _write(self) -> None:
        while (batch := self._batches.get()) is not None:
            lost, self.lost = self.lost, 0
            if lost:
                note = self._style.line("warning", "lines were lost", {"count": lost}, time.time())
                batch.insert(0, note.encode())
                self._written -= 1
            view = memoryview(b"\n".join([*batch, b""]))
            try:
                while view:
                    view = view[os.write(self._fd, view) :]
            except OSError:
                # Whoever read the log is gone; there is nowhere to say so.
                continue
            finally:
                self._written += len(batch)


def _spell(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text)
