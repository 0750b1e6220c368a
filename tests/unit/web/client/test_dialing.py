"""Which proxy serves which URL. Source: Go net/http, ProxyFromEnvironment."""

from __future__ import annotations

import pytest

from wharfie.web.client.dialing import Proxies
from wharfie.web.client.url import InvalidUrl, parse_url


@pytest.mark.parametrize(
    ("url", "exceptions", "proxied"),
    [
        ("https://a.test/", "", True),
        ("https://a.test/", "*", False),
        ("https://a.test/", "a.test", False),
        ("https://x.a.test/", "a.test", False),
        ("https://x.a.test/", ".a.test", False),
        ("https://xa.test/", "a.test", True),
        ("https://a.test:444/", "a.test:443", True),
        ("https://a.test:444/", "b.test, a.test:444", False),
        ("https://10.1.2.3/", "10.0.0.0/8", False),
        ("https://11.1.2.3/", "10.0.0.0/8", True),
        ("https://localhost:5000/", "", False),
        ("https://127.0.0.9/", "", False),
        ("https://[::1]/", "", False),
    ],
)
def test_exceptions(url: str, exceptions: str, proxied: bool) -> None:
    proxies = Proxies.of(https="proxy:3128", exceptions=exceptions)
    assert (proxies.find(parse_url(url)) is not None) is proxied


def test_a_scheme_has_its_own_proxy() -> None:
    proxies = Proxies.of(http="http://u%20x:p@h:1")
    found = proxies.find(parse_url("http://a.test/"))
    assert found is not None
    assert (found.url.host, found.url.port) == ("h", 1)
    assert found.authorization == "Basic dSB4OnA="
    assert proxies.find(parse_url("https://a.test/")) is None


@pytest.mark.parametrize("text", ["https://p", "socks5://p", "http://", "ftp://p"])
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(InvalidUrl):
        Proxies.of(http=text)
