"""Tokens: the right ones count, and no forgery does (users.md G4, CVE-2025-24976)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support.token_server import (
    ISSUER,
    NOW,
    SERVICE,
    claims,
    jwk_of,
    pem_of,
    sign_ec,
    sign_hmac,
    sign_rsa,
    unsigned,
)
from wharfie.formats.jws import encode_base64url, parse_jws
from wharfie.registry.access.keys import KeyRing, open_signer, trusted_key
from wharfie.registry.access.scopes import Scope
from wharfie.registry.access.tokens import Issuer, TokenRefused, Verifier

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
MALLORY = ec.generate_private_key(ec.SECP256R1())


def verifier(now: float = NOW, algorithms: tuple[str, ...] = ("RS256", "ES256")) -> Verifier:
    ring = KeyRing([trusted_key(RSA.public_key()), trusted_key(EC.public_key(), "one")], algorithms)
    return Verifier(ring, issuer=ISSUER, service=SERVICE, clock=lambda: now)


@pytest.mark.parametrize(
    "token",
    [
        sign_rsa(RSA, claims()),
        sign_ec(EC, claims()),
        sign_ec(EC, claims(), kid="one"),
        sign_ec(EC, claims(), kid="a name of the other server's own making"),
        sign_ec(EC, claims(aud=["another", SERVICE])),
        sign_ec(EC, claims(nbf=NOW + 30)),  # clocks differ a little
    ],
)
def test_a_good_token_counts(token: str) -> None:
    found = verifier().verify(token)
    assert found.sub == "alice"
    assert found.grants("repository", "team/app", "pull")
    assert not found.grants("repository", "team/app", "push")
    assert not found.grants("repository", "team", "pull")


@pytest.mark.parametrize(
    "token",
    [
        unsigned(claims()),
        unsigned(claims(), "None"),
        unsigned(claims(), "ES256"),
        sign_hmac(pem_of(RSA.public_key()), claims()),
        sign_hmac(pem_of(EC.public_key()), claims()),
        sign_ec(MALLORY, claims()),
        sign_ec(MALLORY, claims(), kid="one"),
        sign_ec(MALLORY, claims(), jwk=json.dumps(jwk_of(MALLORY.public_key()))),
        sign_ec(MALLORY, claims(), x5c="MIIB"),
        sign_ec(EC, claims(iss="elsewhere")),
        sign_ec(EC, claims(iss=None)),
        sign_ec(EC, claims(aud="elsewhere")),
        sign_ec(EC, claims(aud=[])),
        sign_ec(EC, claims(aud=SERVICE + "#refresh")),
        sign_ec(EC, claims(exp=NOW - 120)),
        sign_ec(EC, claims(exp=None)),
        sign_ec(EC, claims(exp="never")),
        sign_ec(EC, claims(nbf=NOW + 300)),
        sign_ec(EC, claims(access={"type": "repository"})),
        sign_ec(EC, claims(), alg="RS256"),
        sign_rsa(RSA, claims(), alg="ES256"),
        sign_rsa(RSA, claims(), alg="RS512"),
    ],
)
def test_a_forged_or_foreign_token_does_not_count(token: str) -> None:
    with pytest.raises(TokenRefused):
        verifier().verify(token)


def test_a_jwk_object_in_the_header_is_not_read() -> None:
    head = {"alg": "ES256", "jwk": jwk_of(MALLORY.public_key())}
    token = sign_ec(MALLORY, claims())
    forged = encode_base64url(json.dumps(head).encode()) + token[token.index(".") :]
    with pytest.raises(TokenRefused):
        verifier().verify(forged)


def test_a_changed_payload_breaks_the_signature() -> None:
    token = sign_ec(EC, claims())
    head, _, signature = token.split(".")
    body = encode_base64url(json.dumps(claims(sub="admin")).encode())
    with pytest.raises(TokenRefused):
        verifier().verify(f"{head}.{body}.{signature}")


def test_an_algorithm_the_operator_did_not_admit_does_not_count() -> None:
    with pytest.raises(TokenRefused):
        verifier(algorithms=("ES256",)).verify(sign_rsa(RSA, claims()))


def test_a_remembered_token_still_expires() -> None:
    now = [NOW]
    ring = KeyRing([trusted_key(EC.public_key())])
    checks = Verifier(ring, issuer=ISSUER, service=SERVICE, clock=lambda: now[0])
    token = sign_ec(EC, claims())
    checks.verify(token)
    now[0] += 361
    with pytest.raises(TokenRefused):
        checks.verify(token)


def issuer(path: Path) -> Issuer:
    return Issuer(
        open_signer(str(path / "key.pem")),
        name="us",
        service="us",
        life=300,
        refresh_life=1000,
        clock=lambda: NOW,
    )


def test_our_own_tokens_count_and_outlive_a_restart(tmp_path: Path) -> None:
    token = issuer(tmp_path).issue("bob", [Scope("repository", "a/b", ["pull"])])
    found = issuer(tmp_path).verifier.verify(token)
    assert (found.sub, found.exp - found.iat) == ("bob", 300)
    assert found.grants("repository", "a/b", "pull")
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert parse_jws(token).header.alg == "ES256"


def test_a_refresh_token_and_a_token_do_not_pass_for_each_other(tmp_path: Path) -> None:
    ours = issuer(tmp_path)
    refresh, token = ours.refresh("bob", "f"), ours.issue("bob", [])
    assert ours.read_refresh(refresh).stamp == "f"
    with pytest.raises(TokenRefused):
        ours.verifier.verify(refresh)
    with pytest.raises(TokenRefused):
        ours.read_refresh(token)
