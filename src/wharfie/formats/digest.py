"""Digests: `algorithm:hex` names of bytes.

Only sha256 names content here; other registered algorithms are recognised so that the refusal
can say what is wrong. Messages are those of go-digest, which clients print.

Source: OCI image spec, descriptor, "Digests".
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

Digest = NewType("Digest", str)

_SHAPE = re.compile(r"[A-Za-z0-9]+(?:[.+_-][A-Za-z0-9]+)*:[A-Za-z0-9=_-]+")
_HEX = re.compile(r"[0-9a-f]+")
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class DigestError(ValueError):
    """Not a digest this engine accepts; the text says why."""


def parse_digest(text: str) -> Digest:
    """Check a digest of any registered algorithm.

    Raises:
        DigestError: wrong shape, unknown algorithm, or wrong length.
    """
    if len(text) > 1024 or _SHAPE.fullmatch(text) is None:
        raise DigestError("invalid checksum digest format")
    algorithm, _, encoded = text.partition(":")
    length = _LENGTHS.get(algorithm)
    if length is None:
        raise DigestError("unsupported digest algorithm")
    if len(encoded) != length:
        raise DigestError("invalid checksum digest length")
    if _HEX.fullmatch(encoded) is None:
        raise DigestError("invalid checksum digest format")
    return Digest(text)


def parse_sha256(text: str) -> Digest:
    """Check a sha256 digest, the only kind that names blobs.

    Raises:
        DigestError: not a sha256 digest.
    """
    digest = parse_digest(text)
    if not digest.startswith("sha256:"):
        raise DigestError("unsupported digest algorithm")
    return digest


def sha256_digest(data: bytes) -> Digest:
    """The sha256 digest of `data`."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def hex_of(digest: str) -> str:
    """The encoded part of a digest."""
    return digest.partition(":")[2]
