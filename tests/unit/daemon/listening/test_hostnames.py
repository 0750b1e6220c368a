"""By which names the daemon is called."""

import socket

import pytest

from wharfie.daemon.config import DOCKERD, WHARFIED, Config, Places
from wharfie.daemon.listening import hostnames
from wharfie.daemon.listening.hostnames import origin_policy


def config(places: Places = WHARFIED) -> Config:
    return Config(
        places=places,
        config_file="",
        hosts=["tcp://Tower.Example:2375", "tcp://short", "bare:2375", "unix:///run/x"],
        allowed_hosts=["proxy.example.", " "],
        data_root="/d",
        exec_root="/e",
        pidfile="",
    )


def test_names_are_the_machines_the_listeners_and_the_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    (tmp_path / "hosts").write_text("192.0.2.1 alias other # comment\n#127.0.0.1 no\n")
    monkeypatch.setattr(hostnames, "_HOSTS", str(tmp_path / "hosts"))
    monkeypatch.setattr(socket, "gethostname", lambda: "Machine.lan")
    assert origin_policy(config()).names == {
        "tower.example",
        "short",
        "bare",
        "proxy.example",
        "alias",
        "other",
        "machine.lan",
        "machine",
    }


def test_only_called_as_dockerd_other_names_are_admitted() -> None:
    assert origin_policy(config(DOCKERD)).is_lenient
    assert not origin_policy(config()).is_lenient
