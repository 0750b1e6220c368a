"""Verbs on exec instances. Source: behaviours 72–77."""

from __future__ import annotations

from msgspec import Struct

from wharfie.model.exec import Exec, ExecConfig


class ExecStart(Struct, rename="pascal", frozen=True, kw_only=True):
    """Body of an exec start; `console_size` is [rows, columns]."""

    detach: bool = False
    tty: bool = False
    console_size: list[int] | None = None


class Execs:
    """Verbs on exec instances; IDs are exact."""

    def get(self, exec_id: str) -> Exec:
        """The present record; NoSuchExec for an unknown or collected one."""
        raise NotImplementedError

    async def create(self, ref: str, config: ExecConfig) -> Exec:
        """Record an exec instance in a running container."""
        raise NotImplementedError

    def check_start(self, exec_id: str, start: ExecStart) -> Exec:
        """Everything that can be refused, before the connection is taken over."""
        raise NotImplementedError

    async def start_attached(
        self, exec_: Exec, start: ExecStart, connection: int, head: bytes
    ) -> None:
        """Start with a taken-over connection as its stdio; returns when it runs.

        A process that cannot start is told on the connection, with exit code 126 or 127.
        """
        raise NotImplementedError

    async def start_detached(self, exec_: Exec) -> None:
        """Start without a client; StartFailed when it cannot."""
        raise NotImplementedError

    async def resize(self, exec_id: str, *, rows: int, columns: int) -> None:
        """Set the terminal's size; waits up to 10 s for a start under way."""
        raise NotImplementedError
