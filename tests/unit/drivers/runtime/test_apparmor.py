"""Which AppArmor profile a container gets, and what the default one says."""

from __future__ import annotations

import pytest

from wharfie.drivers.runtime.apparmor import choose_profile, profile_text
from wharfie.drivers.runtime.security_options import parse_security_options


@pytest.mark.parametrize(
    ("options", "privileged", "expected"),
    [
        ([], False, "docker-default"),
        ([], True, "unconfined"),
        (["apparmor=unconfined"], False, "unconfined"),
        (["apparmor=mine"], False, "mine"),
        (["apparmor:mine"], True, "mine"),
    ],
)
def test_b185_the_profile_of_a_container(
    options: list[str], privileged: bool, expected: str
) -> None:
    assert choose_profile(parse_security_options(options), privileged=privileged) == expected


def test_b185_the_default_profile_stands_alone_where_the_host_has_no_abstractions() -> None:
    alone = profile_text(tunables=False, base=False)
    assert alone.startswith("@{PROC}=/proc/\nprofile docker-default ")
    assert "include" not in alone
    assert "deny mount," in alone
    full = profile_text(tunables=True, base=True)
    assert full.count("#include") == 2
