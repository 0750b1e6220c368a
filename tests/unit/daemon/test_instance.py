"""One daemon per data root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import structs

from wharfie.daemon.config import WHARFIED, Config
from wharfie.daemon.instance import Instance, StartError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        places=WHARFIED,
        config_file="",
        hosts=[],
        data_root=str(tmp_path / "data"),
        exec_root=str(tmp_path / "exec"),
        pidfile=str(tmp_path / "run/pid"),
    )


def test_a_second_daemon_is_refused_by_name(config: Config, tmp_path: Path) -> None:
    first = Instance(config)
    first.claim()
    other = structs.replace(config, pidfile=str(tmp_path / "other"))
    with pytest.raises(StartError, match=f"in use by another daemon \\(PID {os.getpid()}\\)"):
        Instance(other).claim()
    first.release()
    second = Instance(other)
    second.claim()
    second.release()


def test_the_pid_file_of_a_living_process_is_respected(config: Config) -> None:
    os.makedirs(os.path.dirname(config.pidfile))
    Path(config.pidfile).write_text("1")
    with pytest.raises(StartError, match="process with PID 1 is still running"):
        Instance(config).claim()


def test_a_stale_pid_file_is_replaced_and_ours_removed(config: Config) -> None:
    os.makedirs(os.path.dirname(config.pidfile))
    Path(config.pidfile).write_text("999999999")
    instance = Instance(config)
    instance.claim()
    assert Path(config.pidfile).read_text() == str(os.getpid())
    instance.release()
    instance.release()
    assert not os.path.exists(config.pidfile)


def test_the_data_of_another_engine_is_left_alone(config: Config) -> None:
    os.makedirs(os.path.join(config.data_root, "overlay2"))
    with pytest.raises(StartError, match="holds the data of another engine"):
        Instance(config).claim()
