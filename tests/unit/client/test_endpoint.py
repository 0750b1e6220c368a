from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.client.endpoint import TlsOptions, parse_endpoint
from wharfie.client.errors import EndpointError


@pytest.mark.parametrize(
    ("text", "shown", "base"),
    [
        ("", "unix:///var/run/docker.sock", "http://%2Fvar%2Frun%2Fdocker.sock"),
        ("unix://rel/x", "unix://rel/x", "http://rel%2Fx"),
        ("tcp://h:1", "tcp://h:1", "http://h:1"),
        ("h", "tcp://h:2375", "http://h:2375"),
        (":9", "tcp://127.0.0.1:9", "http://127.0.0.1:9"),
        ("tcp://", "tcp://127.0.0.1:2375", "http://127.0.0.1:2375"),
        ("tcp://[::1]:9", "tcp://[::1]:9", "http://[::1]:9"),
        ("tcp://h:1/docker/", "tcp://h:1/docker", "http://h:1"),
    ],
)
def test_addresses_are_completed(text: str, shown: str, base: str) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint.shown == shown
    assert endpoint.base_url == base


def test_tls_changes_the_port_and_never_a_socket() -> None:
    assert parse_endpoint("tcp://h", TlsOptions()).base_url == "https://h:2376"
    assert parse_endpoint("unix:///x", TlsOptions()).tls is None


@pytest.mark.parametrize(
    "text",
    ["foo://x", "tcp://h:x", "tcp://h:99999", "tcp://a:b:c", "tcp://[::1", "ssh://", "h\r\n"],
)
def test_unusable_addresses_are_refused(text: str) -> None:
    if text == "h\r\n":
        assert parse_endpoint(text).host == "h"
        return
    with pytest.raises(EndpointError):
        parse_endpoint(text)


@given(st.text(max_size=30))
def test_no_address_smuggles_headers(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except EndpointError:
        return
    assert "\r" not in endpoint.host_header
    assert "\n" not in endpoint.host_header
