"""Who finds whom."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.network import dns
from wharfie.resolver.names import Member, NetworkNames, View


def question(name: str, type_: int = dns.A, *, number: int = 7, edns: int = 0) -> bytes:
    """A query as a client sends it."""
    extra = b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns else b""
    header = struct.pack(">6H", number, 0x0100, 1, 0, 0, 1 if edns else 0)
    return header + dns.encode_name(name) + struct.pack(">HH", type_, 1) + extra


def view(*networks: NetworkNames, links: dict[str, str] | None = None) -> View:
    return View(list(networks), links or {}, Member(["host.docker.internal"], ["192.0.2.1"]))


def ask(view: View, name: str, type_: int = dns.A) -> list[str] | None:
    records = view.resolve(dns.parse_query(question(name, type_)))
    if records is None:
        return None
    return [".".join(map(str, one[-4:])) if type_ == dns.A else one.hex() for one in records]


def test_the_first_network_that_knows_a_name_answers() -> None:
    front, back = NetworkNames("front"), NetworkNames("back")
    front.put("a", Member(["web"], ["10.1.0.2"]))
    back.put("b", Member(["web", "DB"], ["10.2.0.2", "fd00::2"]))
    both = view(front, back)
    assert ask(both, "WEB") == ["10.1.0.2"]
    assert ask(both, "web.back") == ["10.2.0.2"]
    assert ask(both, "db") == ["10.2.0.2"]
    assert ask(both, "nobody") is None
    assert ask(view(front), "db") is None
    assert ask(both, "web", dns.AAAA) == []
    assert len(ask(both, "db", dns.AAAA) or []) == 1
    assert ask(both, "web", 15) == []


def test_several_have_a_name_and_leavers_are_forgotten() -> None:
    network = NetworkNames("n")
    for number in (2, 3, 4):
        network.put(str(number), Member(["web"], [f"10.0.0.{number}"]))
    assert ask(view(network), "web") == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    network.drop("3")
    network.drop("3")
    assert sorted(ask(view(network), "web") or []) == ["10.0.0.2", "10.0.0.4"]


def test_an_address_has_the_first_name() -> None:
    network = NetworkNames("net")
    network.put("a", Member(["web", "www"], ["10.0.0.9"]))
    records = view(network).resolve(dns.parse_query(question("9.0.0.10.in-addr.arpa", dns.PTR)))
    assert records is not None
    assert records[0].endswith(dns.encode_name("web.net"))
    other = dns.parse_query(question("8.0.0.10.in-addr.arpa", dns.PTR))
    assert view(network).resolve(other) is None


def test_a_link_is_seen_by_its_owner_alone() -> None:
    network = NetworkNames("net")
    network.put("a", Member(["db"], ["10.0.0.9"]))
    assert ask(view(network, links={"database": "db"}), "database") == ["10.0.0.9"]
    assert ask(view(network), "database") is None


def test_the_host_has_a_name_unless_a_container_has_it() -> None:
    network = NetworkNames("net")
    assert ask(view(network), "host.docker.internal") == ["192.0.2.1"]


def test_an_answer_too_large_says_so() -> None:
    network = NetworkNames("net")
    for number in range(100):
        network.put(str(number), Member(["web"], [f"10.0.1.{number}"]))
    for edns, whole in ((0, False), (4096, True)):
        query = dns.parse_query(question("web", edns=edns))
        records = view(network).resolve(query)
        assert records is not None
        data = dns.limited(query, records)
        assert len(data) <= query.limit
        assert bool(data[2] & 0x02) is not whole
        assert struct.unpack_from(">H", data, 6)[0] == 100 if whole else len(data) > 400


@given(st.binary(max_size=64), st.booleans())
def test_no_bytes_upset_the_parser(data: bytes, cut: bool) -> None:
    if cut:
        data = question("some.name")[: len(data)] + data
    try:
        query = dns.parse_query(data)
    except dns.DnsFormatError:
        dns.format_error(data)
        return
    assert dns.answer(query, [])[:2] == data[:2]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("4.3.2.1.in-addr.arpa", "1.2.3.4"),
        ("b." + "0." * 29 + "d.ip6.arpa", ""),
        ("2." + "0." * 29 + "d.f.ip6.arpa", "fd00::2"),
        ("x.in-addr.arpa", ""),
        ("web", ""),
    ],
)
def test_reverse_names(name: str, address: str) -> None:
    assert dns.parse_reverse(name) == address


def test_an_answer_must_fit_its_question() -> None:
    query = dns.parse_query(question("web"))
    good = dns.answer(query, [])
    assert dns.is_answer(good, 7, query.question)
    assert not dns.is_answer(good, 8, query.question)
    other = dns.parse_query(question("bank"))
    assert not dns.is_answer(dns.answer(other, []), 7, query.question)
