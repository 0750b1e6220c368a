from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from wharfie.drivers.network.addresses import AddressBook, AddressInUse
from wharfie.drivers.network.settings import AddressPool, default_pools
from wharfie.model.errors import Conflict, Forbidden, InvalidArgument
from wharfie.model.ids import NetworkId
from wharfie.model.network import IPAM, IPAMConfig

ONE, TWO = NetworkId("1" * 64), NetworkId("2" * 64)


def _subnet(ipam: IPAM) -> str:
    assert ipam.config
    return ipam.config[0].subnet


def _wish(subnet: str, **more: object) -> IPAM:
    return IPAM(config=[IPAMConfig(subnet=subnet, **more)])  # type: ignore[arg-type]


def test_networks_get_the_pools_in_turn_without_what_the_host_reaches() -> None:
    book = AddressBook(default_pools())
    occupied = [IPv4Network("172.18.0.0/24"), IPv4Network("10.0.0.0/8")]
    assert _subnet(book.claim(ONE, IPAM(), occupied)) == "172.17.0.0/16"
    assert _subnet(book.claim(TWO, IPAM(), occupied)) == "172.19.0.0/16"


def test_after_the_large_pools_come_the_small_ones_and_then_none() -> None:
    book = AddressBook(default_pools())
    subnets = [_subnet(book.claim(NetworkId(f"{number:064x}"), IPAM(), [])) for number in range(31)]
    assert subnets[14] == "172.31.0.0/16"
    assert subnets[15] == "192.168.0.0/20"
    assert len(set(subnets)) == 31
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        book.claim(ONE, IPAM(), [])
    book.drop(NetworkId(f"{3:064x}"))
    assert _subnet(book.claim(ONE, IPAM(), [])) == "172.20.0.0/16"


def test_a_wished_subnet_may_not_overlap_another_networks() -> None:
    book = AddressBook(default_pools())
    book.claim(ONE, _wish("10.0.0.0/16"), [])
    with pytest.raises(Forbidden, match="Pool overlaps"):
        book.claim(TWO, _wish("10.0.5.0/24"), [])
    book.claim(TWO, _wish("10.1.0.0/16"), [IPv4Network("10.1.0.0/16")])


def test_addresses_are_given_in_turn_and_not_again_at_once() -> None:
    book = AddressBook(default_pools())
    book.claim(ONE, _wish("10.0.0.0/29"), [])
    first, second = book.lease(ONE), book.lease(ONE)
    assert (str(first), str(second)) == ("10.0.0.2", "10.0.0.3")
    book.free(ONE, first)
    assert str(book.lease(ONE)) == "10.0.0.4"
    assert [str(book.lease(ONE)) for _ in range(3)] == ["10.0.0.5", "10.0.0.6", "10.0.0.2"]
    with pytest.raises(Conflict, match="no available IPv4 addresses"):
        book.lease(ONE)


def test_a_range_limits_what_is_given_but_not_what_is_asked_for() -> None:
    book = AddressBook(default_pools())
    wish = _wish(
        "10.0.0.0/24",
        ip_range="10.0.0.128/30",
        gateway="10.0.0.254",
        aux_addresses={"router": "10.0.0.129"},
    )
    claimed = book.claim(ONE, wish, [])
    assert claimed.config == wish.config
    assert [str(book.lease(ONE)) for _ in range(3)] == ["10.0.0.128", "10.0.0.130", "10.0.0.131"]
    assert str(book.lease(ONE, "10.0.0.7")) == "10.0.0.7"
    for taken in ("10.0.0.7", "10.0.0.254", "10.0.0.129", "10.0.0.0", "10.0.0.255"):
        with pytest.raises(AddressInUse):
            book.lease(ONE, taken)
    with pytest.raises(InvalidArgument, match="no configured subnet contains"):
        book.lease(ONE, "10.9.9.9")


@pytest.mark.parametrize("subnet", ["10.0.0.1/24", "10.0.0.0/33", "x"])
def test_malformed_subnets_are_refused(subnet: str) -> None:
    book = AddressBook([AddressPool(IPv4Network("10.0.0.0/8"), 24)])
    with pytest.raises(InvalidArgument):
        book.claim(ONE, _wish(subnet), [])
    assert _subnet(book.claim(ONE, IPAM(), [])) == "10.0.0.0/24"


def test_unknown_networks_have_no_addresses() -> None:
    book = AddressBook(default_pools())
    with pytest.raises(Conflict):
        book.lease(ONE)
    with pytest.raises(Conflict):
        book.subnet(ONE)


def test_a_subnet_of_a_version_that_is_not_enabled_is_told_and_not_used() -> None:
    """As Docker: docker-py's own tests make such networks."""
    book = AddressBook(default_pools())
    wished = IPAMConfig(subnet="2001:389::/64", ip_range="2001:389::0/96", gateway="2001:389::ff")
    configs = book.claim(ONE, IPAM(config=[wished]), []).config
    assert configs == [wished, IPAMConfig(subnet="172.17.0.0/16", gateway="172.17.0.1")]
    assert book.subnets(ONE, 6) == []
    assert book.claim(TWO, IPAM(config=[wished]), [], versions=(4, 6)).config is not None
