"""A runtime that hangs is ended, and its launch refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharfie.supervisor.loop import Loop
from wharfie.supervisor.processes import launch
from wharfie.supervisor.processes.launch import Launch, LaunchSpec
from wharfie.supervisor.processes.reaper import Reaper
from wharfie.supervisor.processes.runtime_copy import RuntimeCopies
from wharfie.supervisor.task import Task


def test_a_hanging_runtime_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "LAUNCH_SECONDS", 0.2)
    loop = Loop()
    reaper = Reaper(loop, ask=lambda _: False, is_ours=lambda _: False)
    task = Task(
        loop,
        reaper,
        "t" * 64,
        on_exit=lambda _: None,
        on_input_closed=lambda _: None,
        on_client_end=lambda *_: None,
    )
    spec = LaunchSpec(
        {
            "spec": {},
            "id": task.id,
            "argv": ["/bin/sleep", "60"],
            "environment": {},
            "pid_file": str(tmp_path / "pid"),
            "error_log": str(tmp_path / "log"),
        }
    )
    errors: list[str] = []
    under_way = Launch(loop, RuntimeCopies(), task, spec, rootfs=-1, done=errors.append)
    under_way.start()
    pid = under_way.runtime_pid
    for _ in range(200):
        loop.turn(0.05)
        if errors:
            break
    assert "hung and was ended" in errors[0]
    assert not os.path.exists(f"/proc/{pid}")
