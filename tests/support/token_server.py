"""A foreign token server's keys, and every way to forge with them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from wharfie.formats.jws import encode_base64url, join_signature, signing_input

ISSUER, SERVICE, NOW = "auth.example", "registry.example", 1_800_000_000.0


def claims(**changes: object) -> dict[str, object]:
    """Good claims, with changes; None removes one."""
    found: dict[str, object] = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": SERVICE,
        "exp": NOW + 300,
        "nbf": NOW,
        "iat": NOW,
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}],
    }
    found.update(changes)
    return {key: value for key, value in found.items() if value is not None}


def sign_rsa(key: rsa.RSAPrivateKey, payload: Mapping[str, object], **header: str) -> str:
    """An RS256 token."""
    head = {"alg": "RS256", "typ": "JWT", **header}
    signed = signing_input(head, json.dumps(payload).encode())
    return join_signature(signed, key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))


def sign_ec(key: ec.EllipticCurvePrivateKey, payload: Mapping[str, object], **header: str) -> str:
    """An ES256 token."""
    head = {"alg": "ES256", "typ": "JWT", **header}
    signed = signing_input(head, json.dumps(payload).encode())
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return join_signature(signed, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def sign_hmac(public: bytes, payload: Mapping[str, object]) -> str:
    """An HS256 token whose secret is a public key everybody has."""
    signed = signing_input({"alg": "HS256", "typ": "JWT"}, json.dumps(payload).encode())
    return join_signature(signed, hmac.digest(public, signed, hashlib.sha256))


def unsigned(payload: Mapping[str, object], algorithm: str = "none") -> str:
    """A token that says it needs no signature."""
    return join_signature(signing_input({"alg": algorithm}, json.dumps(payload).encode()), b"")


def jwk_of(key: ec.EllipticCurvePublicKey, **members: str) -> dict[str, str]:
    """A public key as JWK."""
    point = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": encode_base64url(point.x.to_bytes(32, "big")),
        "y": encode_base64url(point.y.to_bytes(32, "big")),
        **members,
    }


def pem_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    """A public key as PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
