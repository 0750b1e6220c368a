from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.network.ports import parse_expose, parse_publish, publish_text


def test_ports_expand_to_mappings() -> None:
    found = [
        (m.container, m.host_ip, m.host_port) for m in parse_publish("127.0.0.1:80-81:90-91/UDP")
    ]
    assert found == [("90/udp", "127.0.0.1", "80"), ("91/udp", "127.0.0.1", "81")]
    assert parse_publish("1000-1010:7")[0].host_port == "1000-1010"
    assert parse_publish("[::1]::80")[0].host_ip == "::1"
    assert publish_text("target=80,published=8080") == "8080:80/tcp"
    assert parse_expose("5-6/udp") == ["5/udp", "6/udp"]


@given(st.text(alphabet="0123456789:-/[].tcpud=, ", max_size=30))
def test_any_port_text_is_read_or_refused(text: str) -> None:
    try:
        parse_publish(publish_text(text))
        parse_expose(text)
    except ValueError:
        return
