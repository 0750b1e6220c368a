"""Exit records: `<exec-root>/exits/<task id>`, one JSON object {"id","code","at"} each.

A record is written before the exit is told and removed when it is settled, so neither side's
death loses an exit status.
"""

from __future__ import annotations

import contextlib
import os

import orjson


class ExitRecord:
    """How a task ended: code 0–255 or -1 (lost), time in nanoseconds since the epoch."""

    __slots__ = ("at", "code")

    def __init__(self, code: int, at: int) -> None:
        self.code = code
        self.at = at


class ExitRecords:
    """The records of one exec-root."""

    def __init__(self, exec_root: str) -> None:
        self._directory = f"{exec_root}/exits"
        os.makedirs(self._directory, mode=0o700, exist_ok=True)

    def write(self, task_id: str, record: ExitRecord) -> None:
        """Write a record; it is there as a whole or not at all."""
        data = orjson.dumps({"id": task_id, "code": record.code, "at": record.at})
        temporary = f"{self._directory}/.{task_id}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        os.rename(temporary, f"{self._directory}/{task_id}")

    def remove(self, task_id: str) -> None:
        """Remove a record, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{task_id}")

    def load(self) -> dict[str, ExitRecord]:
        """All records; one that cannot be read counts as a lost status."""
        records: dict[str, ExitRecord] = {}
        for name in os.listdir(self._directory):
            if name.startswith("."):
                continue
            with open(f"{self._directory}/{name}", "rb") as file:
                modified = os.fstat(file.fileno()).st_mtime_ns
                data = file.read()
            try:
                record = orjson.loads(data)
                records[name] = ExitRecord(int(record["code"]), int(record["at"]))
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                records[name] = ExitRecord(-1, modified)
        return records
