"""Replies about exec instances. Source: Engine API 1.51, ExecInspectResponse, ProcessConfig."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.exec import Exec


class ProcessConfig(Struct, frozen=True, kw_only=True):
    """The process of an exec instance; names are lower case, for once."""

    tty: bool
    entrypoint: str
    arguments: list[str]
    privileged: bool
    user: str | UnsetType = UNSET


class ExecInspect(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /exec/{id}/json`; the exit code is null until there is one."""

    id: str = field(name="ID")
    running: bool
    exit_code: int | None
    process_config: ProcessConfig
    open_stdin: bool
    open_stderr: bool
    open_stdout: bool
    can_remove: bool
    container_id: str = field(name="ContainerID")
    detach_keys: str = ""
    pid: int

    @classmethod
    def of(cls, record: Exec) -> ExecInspect:
        """Show an exec instance."""
        config = record.config
        return cls(
            id=record.id,
            running=record.running,
            exit_code=record.exit_code,
            process_config=ProcessConfig(
                tty=config.tty,
                entrypoint=config.cmd[0] if config.cmd else "",
                arguments=config.cmd[1:],
                privileged=config.privileged,
                user=config.user or UNSET,
            ),
            open_stdin=config.attach_stdin,
            open_stderr=config.attach_stderr,
            open_stdout=config.attach_stdout,
            can_remove=record.can_remove,
            container_id=record.container_id,
            pid=record.pid,
        )
