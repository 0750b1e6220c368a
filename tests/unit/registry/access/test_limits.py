"""Limits: buckets fill again, tables are bounded, proxies are believed only if trusted."""

from __future__ import annotations

import ipaddress

import pytest

from wharfie.registry.access import limits
from wharfie.registry.access.limits import Buckets, Limits, TooMany, bucket_of, client_of

PROXIES = [ipaddress.ip_network("10.0.0.0/8")]


def test_a_bucket_empties_and_fills_again() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 3.0, lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    now[0] = 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    assert Buckets(0, 0, lambda: 0.0).take("a") == 0


def test_the_table_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    buckets = Buckets(1.0, 1.0, lambda: 0.0)
    for number in range(100):
        buckets.take(str(number))
    assert len(buckets._levels) == 10


def test_failed_logins_lock_an_address_and_not_an_account() -> None:
    now = [0.0]
    found = Limits(requests=0, burst=0, failures=3, clock=lambda: now[0])
    for _ in range(3):
        found.before_login("1.1.1.1", "alice")
        found.failed("1.1.1.1", "alice")
    with pytest.raises(TooMany) as caught:
        found.before_login("1.1.1.1", "bob")
    assert caught.value.retry_after == 20
    found.before_login("2.2.2.2", "alice")
    for number in range(27):
        found.failed(f"3.3.3.{number}", "alice")
    with pytest.raises(TooMany):  # guessed from many addresses
        found.before_login("2.2.2.2", "alice")
    now[0] = 20
    found.before_login("1.1.1.1", "alice")


def test_requests_are_limited_by_client() -> None:
    found = Limits(requests=1, burst=2, failures=0, clock=lambda: 0.0)
    found.ask("a")
    found.ask("a")
    with pytest.raises(TooMany):
        found.ask("a")
    found.ask("b")


@pytest.mark.parametrize(
    ("address", "forwarded", "client"),
    [
        ("192.0.2.1:5", "", "192.0.2.1"),
        ("192.0.2.1:5", "198.51.100.9", "192.0.2.1"),  # nobody vouches for it
        ("10.0.0.1:5", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1:5", "6.6.6.6, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        ("10.0.0.1:5", "198.51.100.9:77", "198.51.100.9"),
        ("10.0.0.1:5", "nonsense", "10.0.0.1"),
        ("[2001:db8::1]:5", "", "2001:db8::1"),
        ("10.0.0.1:5", "[2001:db8::7]:9", "2001:db8::7"),
        ("", "1.2.3.4", ""),
    ],
)
def test_who_the_client_is(address: str, forwarded: str, client: str) -> None:
    assert client_of(address, forwarded, PROXIES) == client


def test_an_ipv6_client_is_its_network() -> None:
    assert bucket_of("2001:db8::1") == bucket_of("2001:db8::ffff") != bucket_of("2001:db8:0:1::1")
    assert bucket_of("::ffff:192.0.2.1") == bucket_of("192.0.2.1") == "192.0.2.1"
    assert bucket_of("") == ""
