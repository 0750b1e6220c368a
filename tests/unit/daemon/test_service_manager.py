"""sd_notify: what the service manager hears, and that it is never waited for."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wharfie.daemon.service_manager import ServiceManager, is_machine_stopping


class Manager:
    """Hears datagrams."""

    def __init__(self, address: str) -> None:
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(address)
        self._end.settimeout(5)

    def hear(self) -> list[str]:
        return self._end.recv(4096).decode().split("\n")

    def close(self) -> None:
        self._end.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


def test_each_state_is_told(manager: Manager, tmp_path: Path) -> None:
    us = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    us.ready("Serving on fd://")
    assert manager.hear() == ["READY=1", "STATUS=Serving on fd://", f"MAINPID={os.getpid()}"]
    us.reloading()
    first, second, _ = manager.hear()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) >= before
    us.status("two\nlines")
    assert manager.hear() == ["STATUS=two lines"]
    us.stopping()
    assert manager.hear()[0] == "STOPPING=1"


def test_an_abstract_name_is_known_by_its_sign() -> None:
    name = f"wharfie-test-{os.getpid()}"
    manager = Manager("\0" + name)
    ServiceManager({"NOTIFY_SOCKET": "@" + name}).ready("x")
    assert manager.hear()[0] == "READY=1"
    manager.close()


def test_children_do_not_inherit_the_variables() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    ServiceManager(environment)
    assert environment == {"HOME": "/"}


def test_nobody_listening_is_no_harm(tmp_path: Path) -> None:
    ServiceManager({}).ready("x")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager, tmp_path: Path) -> None:
    us = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    for _ in range(2000):
        us.status("x" * 1000)


def test_the_watchdog_is_for_the_process_it_names() -> None:
    given = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000"}
    assert ServiceManager({**given}).watchdog == 3.0
    assert ServiceManager({**given, "WATCHDOG_PID": str(os.getpid())}).watchdog == 3.0
    assert ServiceManager({**given, "WATCHDOG_PID": "1"}).watchdog == 0.0
    assert ServiceManager({"WATCHDOG_USEC": "nonsense"}).watchdog == 0.0


async def test_signs_of_life_come_while_the_loop_turns(manager: Manager, tmp_path: Path) -> None:
    us = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await us.keep_alive()
    assert manager.hear() == manager.hear() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("answer", "stopping"), [("stopping", True), ("running", False), ("degraded", False)]
)
async def test_a_machine_that_goes_down_is_told_from_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, stopping: bool
) -> None:
    program = tmp_path / "systemctl"
    # As systemd does: states other than "running" are told with an exit status, too.
    program.write_text(f'#!/bin/sh\n[ "$1" = is-system-running ] && echo {answer}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await is_machine_stopping(str(tmp_path)) is stopping


async def test_without_systemd_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not await is_machine_stopping(str(tmp_path / "none"))
    assert not await is_machine_stopping(str(tmp_path)), "no systemctl there"
