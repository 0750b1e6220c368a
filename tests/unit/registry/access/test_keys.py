"""Files of keys: what they may hold, and the names keys go by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support.token_server import claims, jwk_of, pem_of, sign_ec
from wharfie.formats.jws import decode_base64url, parse_jws
from wharfie.registry.access.keys import (
    BadSignature,
    InvalidKeys,
    KeyRing,
    libtrust_id,
    open_signer,
    read_bundle,
    read_jwks,
    thumbprint,
    trusted_key,
)

EC = ec.generate_private_key(ec.SECP256R1())


def test_a_bundle_of_public_keys_verifies(tmp_path: Path) -> None:
    (tmp_path / "keys.pem").write_bytes(pem_of(EC.public_key()))
    KeyRing(read_bundle(str(tmp_path / "keys.pem"))).verify(parse_jws(sign_ec(EC, claims())))


def test_a_jwk_set_verifies_by_the_name_it_gives(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    encryption = jwk_of(ec.generate_private_key(ec.SECP256R1()).public_key(), use="enc")
    path.write_text(json.dumps({"keys": [jwk_of(EC.public_key(), kid="k1"), encryption]}))
    (only,) = read_jwks(str(path))
    assert only.names == {"k1", libtrust_id(EC.public_key()), thumbprint(EC.public_key())}
    KeyRing([only]).verify(parse_jws(sign_ec(EC, claims(), kid="k1")))


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        '{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "jwks.json").write_text(text)
    with pytest.raises(InvalidKeys, match=r"jwks\.json"):
        read_jwks(str(tmp_path / "jwks.json"))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
    ],
)
def test_a_weak_or_strange_key_is_refused(
    tmp_path: Path, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
) -> None:
    (tmp_path / "keys.pem").write_bytes(pem_of(key))
    with pytest.raises(InvalidKeys):
        read_bundle(str(tmp_path / "keys.pem"))


def test_a_missing_or_empty_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("none.pem", "empty.pem"):
        with pytest.raises(InvalidKeys):
            read_bundle(str(tmp_path / name))


def test_a_key_of_ours_that_is_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(InvalidKeys, match="P-256"):
        open_signer(str(tmp_path / "key.pem"))


def test_a_key_verifies_its_own_curve_alone() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    ring = KeyRing([trusted_key(other.public_key())])
    with pytest.raises(BadSignature):
        ring.verify(parse_jws(sign_ec(EC, claims())))


def test_names_of_keys() -> None:
    # The example of RFC 7638 section 3.1.
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    modulus = int.from_bytes(decode_base64url(n), "big")
    key = rsa.RSAPublicNumbers(65537, modulus).public_key()
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    parts = libtrust_id(EC.public_key()).split(":")
    assert len(parts) == 12
    assert {len(part) for part in parts} == {4}
