"""Which servers questions go to."""

from __future__ import annotations

from pathlib import Path

from wharfie.resolver.upstream import HostServers, servers_of


def test_the_hosts_file_is_followed(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "resolv.conf"
    path.write_text("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a b\n")
    servers = HostServers(str(path), clock=lambda: now[0])
    assert [(one.address, one.at_host) for one in servers.get()] == [
        ("127.0.0.53", True),
        ("192.0.2.1", False),
    ]
    path.write_text("nameserver 192.0.2.200\n")
    assert len(servers.get()) == 2
    now[0] = 2.0
    assert [one.address for one in servers.get()] == ["192.0.2.200"]
    path.unlink()
    now[0] = 4.0
    assert [one.address for one in servers.get()] == ["8.8.8.8", "8.8.4.4"]


def test_only_three_servers_are_asked_and_only_addresses() -> None:
    asked = ["no address", "192.0.2.1", "fe80::1%eth0", "192.0.2.3", "192.0.2.4"]
    found = servers_of(asked, host=True)
    assert [one.address for one in found] == ["192.0.2.1", "fe80::1%eth0", "192.0.2.3"]
    assert [one.at_host for one in found] == [False, True, False]
    assert not servers_of(["127.0.0.1"], host=False)[0].at_host
