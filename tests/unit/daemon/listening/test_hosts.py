"""Where `-H` says to listen."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from support.http_certs import FixedTls
from wharfie.daemon.config import WHARFIED, Config, ConfigError
from wharfie.daemon.listening.activation import Passed
from wharfie.daemon.listening.hosts import listeners, parse_host
from wharfie.web import FdListener, TcpListener, UnixListener


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unix:///run/a.sock", "/run/a.sock"),
        ("unix://var/run/docker.sock", "/var/run/docker.sock"),
        ("unix://", "/var/run/docker.sock"),
        ("", "/var/run/docker.sock"),
    ],
)
def test_unix_sockets_are_never_relative(text: str, path: str) -> None:
    (listener,) = parse_host(text, None)
    assert isinstance(listener, UnixListener)
    assert listener.path == path


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://0.0.0.0:2375", "0.0.0.0", 2375),
        ("tcp://", "127.0.0.1", 2375),
        ("tcp://:4243", "127.0.0.1", 4243),
        ("tcp://[::1]:9", "::1", 9),
        ("192.0.2.1:2376", "192.0.2.1", 2376),
        ("tcp://example.org", "example.org", 2375),
    ],
)
def test_tcp_addresses(text: str, host: str, port: int) -> None:
    (listener,) = parse_host(text, None)
    assert isinstance(listener, TcpListener)
    assert (listener.host, listener.port) == (host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://x", "unsupported proto 'http'"),
        ("tcp://x:2375/path", "should not contain a path element"),
        ("tcp://x:0", "invalid port: 0"),
        ("tcp://x:²", "invalid port: ²"),
        ("tcp://[::1:5", "missing ']'"),
        ("unix:///", "not the path of a socket"),
        ("tcp://x:99999", "invalid port: 99999"),
        ("fd://", "no sockets found via socket activation"),
    ],
)
def test_other_addresses_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="invalid bind address") as caught:
        parse_host(text, None)
    assert reason in str(caught.value)


def configured(hosts: list[str], group: str = "docker") -> Config:
    return Config(
        places=WHARFIED,
        config_file="",
        hosts=hosts,
        data_root="/d",
        exec_root="/e",
        pidfile="",
        group=group,
    )


def test_an_address_given_twice_is_opened_once() -> None:
    chosen = listeners(configured(["unix:///a/b", "unix:///a/./b", "tcp://:1", "tcp://:1"]), None)
    assert [one.url for one in chosen] == ["unix:///a/b", "tcp://127.0.0.1:1"]


def test_an_unknown_group_that_was_asked_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="group no-such-group not found"):
        listeners(configured(["unix:///a"], group="no-such-group"), None)


def test_ports_and_hosts_under_tls_are_those_of_tls() -> None:
    tls = FixedTls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    urls = [parse_host(text, tls)[0].url for text in ("tcp://", "tcp://h", "tcp://:1", "[::]")]
    assert urls == [
        "tcp://localhost:2376",
        "tcp://h:2376",
        "tcp://127.0.0.1:1",
        "tcp://[::]:2376",
    ]


def test_two_slashes_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    parse_host("unix://var/run/docker.sock", None)
    assert "taken for unix:///var/run/docker.sock" in caplog.text
    caplog.clear()
    parse_host("unix:///var/run/docker.sock", None)
    assert not caplog.text


def test_fd_means_all_one_or_those_of_a_name() -> None:
    passed = [Passed(3, "api"), Passed(4, "tcp"), Passed(5, "api")]
    for text, fds in (
        ("fd://", [3, 4, 5]),
        ("fd://*", [3, 4, 5]),
        ("fd://4", [4]),
        ("fd://api", [3, 5]),
    ):
        found = parse_host(text, None, passed=passed)
        assert [one.fd for one in found if isinstance(one, FdListener)] == fds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fd://x", "should be a number: x (or the name of a passed socket: api)"),
        ("fd://9", "too few socket activated files passed in by systemd"),
        ("fd://2", "too few socket activated files passed in by systemd"),
    ],
)
def test_fd_without_such_a_socket_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match="invalid bind address") as caught:
        parse_host(text, None, passed=[Passed(3, "api"), Passed(4, "")])
    assert words in str(caught.value)


def test_a_path_the_service_manager_holds_is_taken_from_it(tmp_path: Path) -> None:
    # Seeds D5 and D10: hosts in daemon.json, no fd://, and docker.socket is active all the same.
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "run")
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(tmp_path / "run/docker.sock"))
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(tmp_path / "other"))
    passed = [Passed(held.fileno(), "docker.socket"), Passed(other.detach(), "other.socket")]
    config = configured([f"unix://{tmp_path}/var/docker.sock", "tcp://127.0.0.1:2375"])
    with closing(held):
        chosen = listeners(config, None, passed)
    assert chosen == [
        FdListener(fd=passed[0].fd, name="docker.socket"),
        TcpListener(host="127.0.0.1", port=2375),
    ]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(passed[1].fd)


def test_a_socket_nobody_asked_for_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(tmp_path / "docker.sock"))
    listeners(configured(["tcp://127.0.0.1:2375"]), None, [Passed(held.detach(), "docker.socket")])
    assert "listens on docker.socket, which is none of our hosts" in caplog.text
