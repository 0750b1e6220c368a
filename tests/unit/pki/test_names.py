import ipaddress

import pytest

from wharfie.pki.errors import InvalidRequest
from wharfie.pki.names import HostNames, parse_common_name, parse_hosts


def addresses(*texts: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    return tuple(ipaddress.ip_address(text) for text in texts)


def test_names_and_addresses_are_told_apart() -> None:
    assert parse_hosts(["localhost", "10.1.2.3", "::1", "tencent"]) == HostNames(
        ("localhost", "tencent"), addresses("10.1.2.3", "::1")
    )


def test_a_list_in_one_word_counts_as_several() -> None:
    assert parse_hosts(["a.example, 10.0.0.1,b.example"]) == HostNames(
        ("a.example", "b.example"), addresses("10.0.0.1")
    )


def test_the_spelling_of_openssl_is_understood() -> None:
    assert parse_hosts(["DNS:www.khs1994.com,IP:192.168.57.110"]) == HostNames(
        ("www.khs1994.com",), addresses("192.168.57.110")
    )


@pytest.mark.parametrize(
    ("typed", "dns"),
    [
        ("Host.Example", "host.example"),
        ("host.example.", "host.example"),
        ("*.example.org", "*.example.org"),
        ("my_machine", "my_machine"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".b", "a" * 63 + ".b"),
    ],
)
def test_a_name_is_normalised(typed: str, dns: str) -> None:
    assert parse_hosts([typed]).dns == (dns,)


def test_repeats_are_dropped_and_order_is_kept() -> None:
    hosts = parse_hosts(["b", "a", "B", "10.0.0.1", "10.0.0.1"])
    assert hosts == HostNames(("b", "a"), addresses("10.0.0.1"))


def test_brackets_around_an_ipv6_address_are_dropped() -> None:
    assert parse_hosts(["[fe80::1]"]).addresses == addresses("fe80::1")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a,,b",
        "*",
        "*.com",
        "a.*.example",
        "-a.example",
        "a-.example",
        "a..b",
        "a b",
        "host:2376",
        "tcp://host",
        "10.0.0.256",
        "10.0.0",
        "1",
        "fe80::1%eth0",
        "bücher.example",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "a\nb",
        "a\x00b",
        "IP:localhost",
        "user@host",
        "/etc/passwd",
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_hosts([host])


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x7f"])
def test_an_unusable_common_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_common_name(name)
