"""Signed tokens in their compact form: three parts of base64url, joined by dots.

    token = header "." payload "." signature

Taken apart strictly: no padding, no foreign letters, no stray bits, no critical extensions. What
is returned is not verified; `signed` is what a signature must be checked over.

Source: RFC 7515 sections 3.1, 5 and 7.1; RFC 4648 section 5.
"""

from __future__ import annotations

import base64
import binascii
import re

import msgspec
from msgspec import Struct

MAX_TOKEN = 64 << 10
_PART = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


class JwsError(ValueError):
    """Not a token in compact form."""


class Header(Struct, frozen=True):
    """The members of a header that say how to verify. Keys that come with a token are not read:
    whoever forges a token can send along a key that fits (CVE-2025-24976).

    Attributes:
        alg: name of the signature's algorithm.
        kid: name of the key, "" where it goes unsaid.
        crit: extensions that must be understood; none is.
    """

    alg: str
    kid: str = ""
    crit: list[str] | None = None


class Jws(Struct, frozen=True):
    """A token taken apart."""

    header: Header
    payload: bytes
    signed: bytes
    signature: bytes


def parse_jws(text: str) -> Jws:
    """Take a token apart.

    Raises:
        JwsError: it is none.
    """
    parts = text.split(".", 3)
    if len(text) > MAX_TOKEN or len(parts) != 3:
        raise JwsError("not a signed token")
    head, payload, signature = (decode_base64url(part) for part in parts)
    try:
        header = msgspec.json.decode(head, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise JwsError("the token's header is malformed") from None
    if header.crit is not None:
        raise JwsError("the token has critical extensions")
    return Jws(header, payload, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def signing_input(header: dict[str, str], payload: bytes) -> bytes:
    """What is to be signed for a new token."""
    head = msgspec.json.encode(header)
    return f"{encode_base64url(head)}.{encode_base64url(payload)}".encode("ascii")


def join_signature(signed: bytes, signature: bytes) -> str:
    """A whole token."""
    return f"{signed.decode('ascii')}.{encode_base64url(signature)}"


def encode_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The bytes of one spelling, and only that one.

    Raises:
        JwsError: padding, foreign letters, or stray bits at the end.
    """
    if _PART.fullmatch(text) is None or len(text) % 4 == 1:
        raise JwsError("the token is not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise JwsError("the token is not base64url") from None
    if encode_base64url(data) != text:
        raise JwsError("the token is not base64url")
    return data
