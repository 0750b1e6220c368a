"""Where `-H` says to listen."""

from __future__ import annotations

import ssl

import pytest

from support.http_certs import FixedTls
from wharfie.daemon.config import WHARFIED, Config, ConfigError
from wharfie.daemon.hosts import insecure_warnings, listeners, parse_host
from wharfie.web import TcpListener, UnixListener


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unix:///run/a.sock", "/run/a.sock"),
        ("unix://var/run/docker.sock", "/var/run/docker.sock"),
        ("unix://", "/var/run/docker.sock"),
    ],
)
def test_unix_sockets_are_never_relative(text: str, path: str) -> None:
    listener = parse_host(text, None)
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
    listener = parse_host(text, None)
    assert isinstance(listener, TcpListener)
    assert (listener.host, listener.port) == (host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://x", "unsupported proto 'http'"),
        ("tcp://x:2375/path", "should not contain a path element"),
        ("tcp://x:0", "invalid port: 0"),
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


def test_only_tcp_without_client_certificates_is_warned_of() -> None:
    verifying = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    verifying.verify_mode = ssl.CERT_REQUIRED
    one_way = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    sources = (None, FixedTls(one_way), FixedTls(verifying))
    tcp = [TcpListener(host="0.0.0.0", port=1, tls=tls) for tls in sources]
    plain, unverified = insecure_warnings([UnixListener(path="/a"), *tcp])
    assert "http://0.0.0.0:1 without encryption" in plain
    assert "https://0.0.0.0:1 without TLS client verification" in unverified
