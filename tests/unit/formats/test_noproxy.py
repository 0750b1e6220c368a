"""`NO_PROXY`, as Go reads it."""

import pytest

from wharfie.formats.noproxy import is_excepted, split_exceptions


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_never_has_a_proxy(host: str) -> None:
    assert is_excepted(host, 2375, ())


@pytest.mark.parametrize(
    ("host", "text", "excepted"),
    [
        ("a.example.com", "", False),
        ("a.example.com", "*", True),
        ("a.example.com", "example.com", True),
        ("example.com", "example.com", True),
        ("EXAMPLE.com", "x, Example.COM", True),
        ("example.com", ".example.com", False),
        ("a.example.com", ".example.com", True),
        ("a.example.com", "*.example.com", True),
        ("badexample.com", "example.com", False),
        ("a.example.com", "example.com:2375", True),
        ("a.example.com", "example.com:2376", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:2375", True),
        ("10.1.2.3", "10.1.2.3:80", False),
        ("10.1.2.3", "11.0.0.0/8,10.1.2.4", False),
        ("fd00::5", "[fd00::5]:2375", True),
        ("fd00::5", "fd00::/8", True),
    ],
)
def test_exceptions(host: str, text: str, excepted: bool) -> None:
    assert is_excepted(host, 2375, split_exceptions(text)) is excepted
