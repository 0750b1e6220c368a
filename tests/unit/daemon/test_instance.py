"""One daemon per data root, exec-root and pid file (seeds D15–D17)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from support.netns import poll
from wharfie.daemon.config import WHARFIED, Config
from wharfie.daemon.instance import AlreadyRunning, Instance, StartError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        places=WHARFIED,
        config_file="/etc/wharfie/daemon.json",
        hosts=[],
        data_root=str(tmp_path / "data"),
        exec_root=str(tmp_path / "exec"),
        pidfile=str(tmp_path / "run/pid"),
    )


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[int]:
    """The PID of a process called dockerd."""
    (tmp_path / "dockerd").symlink_to("/bin/sleep")
    with subprocess.Popen([tmp_path / "dockerd", "1000"]) as process:
        # exec closes the pipe Popen waits on a moment before it sets the name.
        for _ in poll("the name of the process"):
            if Path(f"/proc/{process.pid}/comm").read_text() == "dockerd\n":
                break
        yield process.pid
        process.kill()


def test_a_data_root_has_one_daemon_in_dockers_words(config: Config, tmp_path: Path) -> None:
    first = Instance(config)
    first.claim()
    other = structs.replace(
        config, pidfile=str(tmp_path / "other"), exec_root=str(tmp_path / "other-exec")
    )
    with pytest.raises(StartError) as caught:
        Instance(other, timeout=0).claim()
    message, remedy = str(caught.value).split("\n")
    assert message == (
        "error while opening volume store metadata database "
        f"({config.data_root}/volumes/metadata.db): timeout"
    )
    assert f"the daemon with PID {os.getpid()} holds it" in remedy
    assert not os.path.exists(tmp_path / "other")
    first.release()
    second = Instance(other, timeout=0)
    second.claim()
    second.release()


def test_an_exec_root_has_one_daemon(config: Config, tmp_path: Path) -> None:
    first = Instance(config)
    first.claim()
    other = structs.replace(
        config, pidfile=str(tmp_path / "other"), data_root=str(tmp_path / "other-data")
    )
    with pytest.raises(StartError, match=r"exec is in use by another daemon"):
        Instance(other, timeout=0).claim()
    first.release()
    # The one that was refused kept nothing: both its lock and its pid file can be had.
    second = Instance(other, timeout=0)
    second.claim()
    second.release()


def test_the_pid_file_of_a_living_daemon_is_respected(config: Config, dockerd: int) -> None:
    os.makedirs(os.path.dirname(config.pidfile))
    Path(config.pidfile).write_text(str(dockerd))
    with pytest.raises(AlreadyRunning) as caught:
        Instance(config).claim()
    assert str(caught.value) == (
        f"ensure docker is not running or delete {config.pidfile}: process with PID {dockerd} is "
        "still running"
    )
    assert Path(config.pidfile).read_text() == str(dockerd)


@pytest.mark.parametrize("content", ["999999999", "1", "", "nonsense", "1" * 100])
def test_a_stale_pid_file_is_replaced_and_ours_removed(config: Config, content: str) -> None:
    os.makedirs(os.path.dirname(config.pidfile))
    Path(config.pidfile).write_text(content)
    instance = Instance(config)
    instance.claim()
    assert Path(config.pidfile).read_text() == str(os.getpid())
    instance.release()
    instance.release()
    assert not os.path.exists(config.pidfile)


def test_a_pid_file_written_by_another_since_is_not_removed(config: Config) -> None:
    instance = Instance(config)
    instance.claim()
    Path(config.pidfile).write_text("4711")
    instance.release()
    assert Path(config.pidfile).read_text() == "4711"


def test_without_a_pid_file_none_is_written(config: Config) -> None:
    instance = Instance(structs.replace(config, pidfile=""))
    instance.claim()
    instance.release()


def test_the_data_of_another_engine_is_left_alone(config: Config) -> None:
    os.makedirs(os.path.join(config.data_root, "overlay2"))
    with pytest.raises(StartError, match="holds the data of another engine") as caught:
        Instance(config).claim()
    assert '"data-root": "/var/lib/wharfie" in /etc/wharfie/daemon.json' in str(caught.value)
