from __future__ import annotations

from wharfie.cli.output.ports import ports_text


def port(private: int, public: int = 0, ip: str = "", kind: str = "tcp") -> dict[str, object]:
    return {"PrivatePort": private, "PublicPort": public, "IP": ip, "Type": kind}


def test_consecutive_ports_are_grouped() -> None:
    found = [port(n, n, ip) for n in (80, 81, 82, 90) for ip in ("0.0.0.0", "::")]
    assert ports_text(found) == (
        "0.0.0.0:80-82->80-82/tcp, [::]:80-82->80-82/tcp, 0.0.0.0:90->90/tcp, [::]:90->90/tcp"
    )


def test_exposed_ports_have_no_arrow_and_moved_ones_stand_last() -> None:
    found = [port(80, 8080, "0.0.0.0"), port(443), port(53, kind="udp")]
    assert ports_text(found) == "53/udp, 443/tcp, 0.0.0.0:8080->80/tcp"
    assert ports_text([]) == ""
