"""Exec instances: further processes in a running container.

Source: Engine API 1.51, definitions ExecConfig, ExecInspectResponse.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.model.ids import ContainerId, ExecId


class ExecConfig(Struct, rename="pascal", frozen=True, kw_only=True):
    """What a client asks to run; `console_size` is [rows, columns]."""

    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    console_size: list[int] | None = None
    detach_keys: str = ""
    tty: bool = False
    env: list[str] | None = None
    cmd: list[str] = field(default_factory=list)
    privileged: bool = False
    user: str = ""
    working_dir: str = ""


class Exec(Struct, frozen=True, kw_only=True):
    """One exec instance.

    Attributes:
        exit_code: None until it ended.
        pid: host pid, 0 before the start.
        open_stdin: a client with input was attached at start.
    """

    id: ExecId
    container_id: ContainerId
    config: ExecConfig
    running: bool = False
    started: bool = False
    pid: int = 0
    exit_code: int | None = None
    can_remove: bool = False
