from __future__ import annotations

import socket

import pytest

from wharfie.pki.names import parse_hosts
from wharfie.pki.own import own_names


def test_own_names_can_be_certified_and_end_with_loopback() -> None:
    names = own_names()
    assert names[-3:] == ["localhost", "127.0.0.1", "::1"]
    assert parse_hosts(names)
    assert len(set(names)) == len(names)


def test_an_odd_host_name_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    monkeypatch.setattr(socket, "getfqdn", lambda: "1.0.0.127.in-addr.arpa")
    assert "1.0.0.127.in-addr.arpa" not in own_names()
