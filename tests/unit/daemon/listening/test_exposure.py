"""Plain TCP off loopback needs a second word; what is insecure is warned of."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from support.http_certs import FixedTls
from wharfie.daemon.listening.exposure import Exposure, insecure_warnings, is_loopback, log_insecure
from wharfie.web import FdListener, Listener, ListenError, Opened, TcpListener, UnixListener

ONE_WAY = FixedTls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
VERIFYING = FixedTls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
VERIFYING.context.verify_mode = ssl.CERT_REQUIRED


@pytest.fixture
def anywhere() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("0.0.0.0", 0))
        yield opened


@pytest.fixture
def loopback() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


@pytest.mark.parametrize(
    "listener", [TcpListener(host="0.0.0.0", port=1), FdListener(fd=3, name="docker-tcp.socket")]
)
def test_plain_tcp_off_loopback_is_refused_until_asked_for_twice(
    anywhere: socket.socket, listener: Listener
) -> None:
    with pytest.raises(ListenError, match=r"--tlsverify .* --allow-plain-tcp"):
        Exposure(allow_plain=False).check(listener, anywhere)
    Exposure(allow_plain=True).check(listener, anywhere)


def test_loopback_tls_and_unix_need_no_second_word(
    anywhere: socket.socket, loopback: socket.socket
) -> None:
    exposure = Exposure(allow_plain=False)
    exposure.check(TcpListener(host="127.0.0.1", port=1), loopback)
    exposure.check(TcpListener(host="0.0.0.0", port=1, tls=ONE_WAY), anywhere)
    with socket.socket(socket.AF_UNIX) as unix:
        exposure.check(UnixListener(path="/x"), unix)
        exposure.check(FdListener(fd=3), unix)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("127.9.9.9", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("0.0.0.0", 1), False),
        (("::", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("192.0.2.1", 1), False),
        ("/run/x", False),
    ],
)
def test_loopback_is_told_from_the_rest(name: object, expected: bool) -> None:
    assert is_loopback(name) is expected


def test_only_tcp_without_client_certificates_is_warned_of(
    anywhere: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    port = anywhere.getsockname()[1]
    with socket.socket(socket.AF_UNIX) as unix:
        opened = [
            Opened(UnixListener(path="/a"), [unix]),
            Opened(FdListener(fd=3, tls=ONE_WAY), [unix]),
            *(
                Opened(TcpListener(host="0.0.0.0", port=1, tls=tls), [anywhere])
                for tls in (None, ONE_WAY, VERIFYING)
            ),
        ]
        plain, unverified = insecure_warnings(opened)
        log_insecure(opened)
    assert f"http://0.0.0.0:{port} without encryption" in plain
    assert f"https://0.0.0.0:{port} without TLS client verification" in unverified
    assert caplog.text.count("Binding to IP address without --tlsverify is insecure") == 2
