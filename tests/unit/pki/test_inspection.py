import datetime

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.tls import make_ca, now, sign_anything
from wharfie.pki.certificates import issue, server_request
from wharfie.pki.inspection import Description, describe
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts


def described(days: tuple[int, int] = (-1, 60), **kinds: list[str]) -> Description:
    usages = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    identity = sign_anything(
        make_ca(),
        "x",
        usages=[usages[usage] for usage in kinds.get("usages", [])],
        dns=kinds.get("dns", []),
        days=days,
    )
    return describe(identity.certificate, now=now())


def test_a_good_server_certificate_has_no_problems() -> None:
    ca = make_ca()
    request = server_request(parse_hosts(["h", "::1"]), days=30, key_type=KeyType.RSA_2048)
    # The CA of the tests lasts thirty days, so look one minute after it was made.
    leaf = issue(ca, request, now=now())
    text = describe(leaf.certificate, now=now() - datetime.timedelta(minutes=1))
    assert text.problems == ()
    assert text.hosts == ("DNS:h", "IP:::1")
    assert text.usages == ("serverAuth",)
    assert text.key == "RSA 2048"
    assert not text.is_ca
    assert len(text.fingerprint) == 64


def test_a_ca_is_seen_as_one() -> None:
    text = describe(make_ca().certificate, now=now() - datetime.timedelta(minutes=1))
    assert text.is_ca
    assert text.key == "ECDSA secp256r1"
    assert text.problems == ()


@pytest.mark.parametrize(
    ("days", "problem"),
    [((-3, -1), "expired on"), ((1, 3), "not valid before"), ((-1, 10), "expires in 9 days")],
)
def test_dates_are_held_against_a_certificate(days: tuple[int, int], problem: str) -> None:
    (found,) = described(days, usages=["client"]).problems
    assert found.startswith(problem)


def test_a_server_known_by_common_name_only_is_a_problem() -> None:
    (found,) = described(usages=["server"]).problems
    assert "subjectAltName" in found


def test_a_client_needs_no_host() -> None:
    assert described(usages=["client"]).problems == ()
