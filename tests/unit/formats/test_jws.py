"""Compact tokens: one spelling each, and nothing believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.jws import (
    JwsError,
    decode_base64url,
    encode_base64url,
    join_signature,
    parse_jws,
    signing_input,
)


def test_a_token_comes_apart_as_it_was_put_together() -> None:
    signed = signing_input({"alg": "ES256", "kid": "k"}, b'{"a":1}')
    found = parse_jws(join_signature(signed, b"\x00\xffsig"))
    assert (found.header.alg, found.header.kid) == ("ES256", "k")
    assert (found.payload, found.signed, found.signature) == (b'{"a":1}', signed, b"\x00\xffsig")


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b", "a.b.c.d", "e30.e30.e30",  # no algorithm in the header
        "eyJhbGciOiJFUzI1NiJ9=.e30.AA", "eyJhbGciOiJFUzI1NiJ9.e30.A", "eyJhbGciOiJFUzI1NiJ9.e30.AB",
        "eyJhbGciOiJFUzI1NiJ9.e3 0.AA", "eyJhbGciOiJFUzI1NiJ9.e+0.AA", "bm8.e30.AA",
        "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il19.e30.AA", "W10.e30.AA", "x" * 70000,
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(JwsError):
        parse_jws(token)


@given(st.binary(max_size=64))
def test_base64url_has_one_spelling(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data)) == data


@given(st.text(max_size=60))
def test_hostile_text_is_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(JwsError):
        parse_jws(text)
