from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from wharfie.drivers.network.publishing import ports
from wharfie.model.errors import InvalidArgument


@pytest.mark.parametrize(
    ("spec", "parsed"), [("80/tcp", (80, "tcp")), ("53/UDP", (53, "udp")), ("80", (80, "tcp"))]
)
def test_container_ports_are_parsed(spec: str, parsed: tuple[int, str]) -> None:
    assert ports.parse_port(spec) == parsed


@pytest.mark.parametrize("spec", ["", "/tcp", "0/tcp", "65536", "-1", "80/icmp", "٣", "80-81/tcp"])
def test_what_is_no_container_port_is_refused(spec: str) -> None:
    with pytest.raises(InvalidArgument):
        ports.parse_port(spec)


@pytest.mark.parametrize(
    ("wish", "parsed"),
    [("", (0, 0)), ("0", (0, 0)), ("80", (80, 80)), ("8000-8010", (8000, 8010))],
)
def test_host_ports_and_ranges_are_parsed(wish: str, parsed: tuple[int, int]) -> None:
    assert ports.parse_host_ports(wish) == parsed


@pytest.mark.parametrize("wish", ["-", "80-", "-80", "90-80", "http", "65536", "1-2-3", " 80"])
def test_what_is_no_host_port_is_refused(wish: str) -> None:
    with pytest.raises(InvalidArgument):
        ports.parse_host_ports(wish)


def test_host_addresses() -> None:
    assert ports.parse_host_address("127.0.0.1") == IPv4Address("127.0.0.1")
    assert str(ports.parse_host_address("[fd00::1]")) == "fd00::1"
    for value in ("localhost", "1.2.3", "1.2.3.4/32"):
        with pytest.raises(InvalidArgument):
            ports.parse_host_address(value)
