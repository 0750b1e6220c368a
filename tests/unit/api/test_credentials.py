"""X-Registry-Auth and X-Registry-Config in all their spellings."""

from __future__ import annotations

import base64
import json

import pytest

from wharfie.api.credentials import registry_config, registry_credentials
from wharfie.model.registry import ANONYMOUS, Credentials

JOE = {"username": "joe", "password": "päss??>>", "serveraddress": "r"}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("strip", ["", "="])
def test_both_alphabets_with_and_without_padding(encode, strip: str) -> None:
    text = encode(json.dumps(JOE).encode()).decode().rstrip(strip or "\n")
    assert registry_credentials({"x-registry-auth": text}) == Credentials(**JOE)


def test_members_in_any_case_and_unknown_ones() -> None:
    text = base64.b64encode(b'{"UserName": "joe", "Password": null, "other": {}}').decode()
    assert registry_credentials({"x-registry-auth": text}) == Credentials(username="joe")


@pytest.mark.parametrize("text", ["", "e30=", "!!!", "bm90IGpzb24=", "W10=", "x" * 100_000])
def test_what_is_none_counts_as_nobody(text: str) -> None:
    assert registry_credentials({"x-registry-auth": text}) == ANONYMOUS
    assert registry_credentials({}) == ANONYMOUS


def test_a_map_of_registries() -> None:
    text = base64.b64encode(json.dumps({"r": JOE, "s": None}).encode()).decode()
    assert registry_config({"x-registry-config": text}) == {
        "r": Credentials(**JOE),
        "s": ANONYMOUS,
    }
