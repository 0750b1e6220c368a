"""Mirrors, insecure registries, names of registries."""

from __future__ import annotations

import pytest

from wharfie.registry.client.settings import (
    HUB_HOST,
    InvalidSetting,
    RegistrySettings,
    domain_of,
    settings_of,
    split_host,
)


def settings(**given: object) -> RegistrySettings:
    base: dict[str, object] = {
        "hub_mirrors": [],
        "mirrors": {},
        "insecure": [],
        "trusted_hosts": [],
        "proxies": ("", "", ""),
        "attempts": 0,
        "certs": [],
    }
    return settings_of(**{**base, **given})  # type: ignore[arg-type]


def test_mirrors_of_a_registry_come_before_those_of_all() -> None:
    found = settings(
        hub_mirrors=["https://hub.m"],
        mirrors={"*": ["https://all.m"], "r:5000": ["http://near.m/p/"], "index.docker.io": []},
    )
    assert [str(url) for url in found.mirrors_of("r:5000")] == [
        "http://near.m/p",
        "https://all.m",
    ]
    assert [url.host for url in found.mirrors_of("docker.io")] == ["hub.m", "all.m"]
    assert [url.host for url in found.mirrors_of("other")] == ["all.m"]


@pytest.mark.parametrize("mirror", ["ftp://x", "x", "https://u:p@x", "https://x?y", "https://x#y"])
def test_mirrors_that_are_none(mirror: str) -> None:
    with pytest.raises(InvalidSetting, match="invalid mirror"):
        settings(hub_mirrors=[mirror])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "insecure"),
    [
        ("r", "r", 443, "8.8.8.8", True),
        ("r:5000", "r", 5000, "8.8.8.8", True),
        ("r:5000", "r", 5001, "8.8.8.8", False),
        ("8.8.0.0/16", "r", 443, "8.8.8.8", True),
        ("8.9.0.0/16", "r", 443, "8.8.8.8", False),
        ("x", "localhost", 5000, "127.0.0.1", True),
        ("x", "r", 5000, "::1", True),
    ],
)
def test_insecure_registries(
    entry: str, host: str, port: int, address: str, insecure: bool
) -> None:
    assert settings(insecure=[entry]).is_insecure(host, port, [address]) is insecure


def test_a_name_that_is_loopback_and_more_is_not_loopback() -> None:
    assert not settings().is_insecure("r", 5000, ["127.0.0.1", "8.8.8.8"])
    assert not settings().is_insecure("r", 5000, [])


@pytest.mark.parametrize("entry", ["http://r", "r/x", "", "r:99999"])
def test_entries_that_are_no_registry(entry: str) -> None:
    with pytest.raises(InvalidSetting):
        settings(insecure=[entry])


def test_names() -> None:
    assert split_host("docker.io") == (HUB_HOST, None)
    assert split_host("r:5000") == ("r", 5000)
    assert split_host("[::1]:5000") == ("::1", 5000)
    assert domain_of("https://index.docker.io/v1/") == domain_of("") == "docker.io"
    assert domain_of("http://r:5000/v2/") == domain_of("r:5000") == "r:5000"
    assert domain_of("r r") == ""
