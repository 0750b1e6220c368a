"""Browsers that were turned into an attacker's client are refused, other clients are not."""

import pytest

from wharfie.web.origins import OriginPolicy

STRICT = OriginPolicy(names=frozenset({"docker1", "docker1.example"}))
LENIENT = OriginPolicy(names=STRICT.names, is_lenient=True)
FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:2375",
        "192.0.2.7",
        "[::1]:2375",
        "[fe80::1%25eth0]:2375",
        "localhost:2375",
        "LOCALHOST",
        "api.moby.localhost",
        "docker1:2375",
        "Docker1.Example.",
        "",
    ],
)
def test_own_names_and_addresses_are_known(host: str) -> None:
    assert STRICT.refusal({"host": host}, "tcp") == ""


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:2375", "localhost.evil.test", "127.0.0.1.nip.test", "1.2.3"]
)
def test_rebinding_shows_in_the_host(host: str) -> None:
    assert "unknown host name" in STRICT.refusal({"host": host}, "tcp")
    # The guard taken away: the attack succeeds.
    assert (
        OriginPolicy(names=frozenset({host.partition(":")[0]})).refusal({"host": host}, "tcp") == ""
    )


@pytest.mark.parametrize(
    "marks",
    [
        FIREFOX,
        {"accept-language": ""},
        {"sec-fetch-mode": "no-cors"},
        {"cookie": "a=b"},
    ],
)
def test_a_lenient_policy_refuses_browsers_only(marks: dict[str, str]) -> None:
    clients = {"host": "tower:2375", "user-agent": "Docker-Client/28.2.2 (linux)"}
    assert LENIENT.refusal(clients, "tcp") == ""
    assert "unknown host name" in LENIENT.refusal({"host": "tower:2375", **marks}, "tcp")
    assert LENIENT.refusal({"host": "docker1:2375", **marks}, "tcp") == ""


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize(
    "marks",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:2375.evil.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"referer": "http://evil.test/page"},
    ],
)
def test_cross_site_requests_are_refused(marks: dict[str, str], transport: str) -> None:
    headers = {"host": "127.0.0.1:2375", **marks}
    assert "refused" in LENIENT.refusal(headers, transport)
    assert STRICT.refusal(headers, "unix") == ""


@pytest.mark.parametrize(
    "marks",
    [
        {"origin": "http://127.0.0.1:2375", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": "http://127.0.0.1:2375/ui/"},
    ],
)
def test_requests_of_the_same_origin_are_not(marks: dict[str, str]) -> None:
    assert STRICT.refusal({"host": "127.0.0.1:2375", **FIREFOX, **marks}, "tcp") == ""


def test_over_tls_any_name_will_do() -> None:
    assert STRICT.refusal({"host": "alias.example:2376"}, "tls") == ""
