import datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.tls import make_ca, now, sign_anything
from wharfie.pki.certificates import (
    Identity,
    client_request,
    create_ca,
    decode_certificates,
    encode_certificate,
    issue,
    server_request,
)
from wharfie.pki.errors import InvalidRequest, UnreadableFile
from wharfie.pki.keys import KeyType
from wharfie.pki.names import HostNames, parse_hosts

NOW = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
EC = KeyType.ECDSA_P256


def ca_at_now(days: int = 365) -> Identity:
    return create_ca("CA", days=days, now=NOW, key_type=EC)


def server(ca: Identity, *hosts: str, days: int = 10, key_type: KeyType = EC) -> x509.Certificate:
    request = server_request(parse_hosts(hosts), days=days, key_type=key_type)
    return issue(ca, request, now=NOW).certificate


def test_a_ca_may_sign_leaves_and_nothing_else() -> None:
    extensions = ca_at_now().certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature


def test_key_identifiers_link_leaf_and_ca() -> None:
    ca = ca_at_now()
    own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for certificate in (ca.certificate, server(ca, "h")):
        authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert authority.value.key_identifier == own.digest
    server(ca, "h").verify_directly_issued_by(ca.certificate)


def test_a_server_leaf_names_its_hosts_and_serves_only() -> None:
    leaf = server(ca_at_now(), "localhost", "10.0.0.1", "::1")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_client_leaf_is_for_clients_only() -> None:
    request = client_request("alice", days=10, key_type=EC)
    leaf = issue(ca_at_now(), request, now=NOW).certificate
    assert leaf.subject.rfc4514_string() == "CN=alice"
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_an_rsa_leaf_may_encipher_keys() -> None:
    rsa_leaf = server(ca_at_now(), "h", key_type=KeyType.RSA_2048)
    assert rsa_leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    leaf = server(ca_at_now(), "h")
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment


def test_validity_starts_a_little_early_and_lasts_the_days_asked_for() -> None:
    leaf = server(ca_at_now(), "h", days=10)
    assert leaf.not_valid_before_utc == NOW - datetime.timedelta(minutes=5)
    assert leaf.not_valid_after_utc == NOW + datetime.timedelta(days=10)


def test_a_leaf_does_not_outlive_its_ca() -> None:
    ca = ca_at_now(days=5)
    assert server(ca, "h", days=100).not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_serials_differ() -> None:
    ca = ca_at_now()
    serials = {server(ca, "h").serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial.bit_length() <= 159 for serial in serials)


@pytest.mark.parametrize("days", [0, -1, 36501])
def test_days_out_of_range_are_refused(days: int) -> None:
    with pytest.raises(InvalidRequest):
        create_ca("CA", days=days, now=NOW, key_type=EC)
    with pytest.raises(InvalidRequest):
        server(ca_at_now(), "h", days=days)


def test_a_server_without_a_host_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        server_request(HostNames(), days=1, key_type=EC)


def test_a_long_first_host_still_fits_the_common_name() -> None:
    host = ".".join(["a" * 60] * 3)
    leaf = server(ca_at_now(), host)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]


def test_a_leaf_may_not_sign() -> None:
    ca = make_ca()
    with pytest.raises(InvalidRequest, match="not a CA"):
        issue(sign_anything(ca, "leaf"), client_request("x", days=1, key_type=EC), now=now())


def test_a_foreign_key_may_not_sign() -> None:
    mixed = Identity(ca_at_now().certificate, ca_at_now().key)
    with pytest.raises(InvalidRequest, match="does not belong"):
        issue(mixed, client_request("x", days=1, key_type=EC), now=NOW)


def test_an_expired_ca_may_not_sign() -> None:
    with pytest.raises(InvalidRequest, match="not valid now"):
        issue(
            ca_at_now(days=1),
            client_request("x", days=1, key_type=EC),
            now=NOW + datetime.timedelta(days=1),
        )


def test_a_file_may_hold_several_certificates() -> None:
    first, second = ca_at_now().certificate, ca_at_now().certificate
    pem = encode_certificate(first) + b"words between\n" + encode_certificate(second)
    assert decode_certificates(pem, "c") == [first, second]


@pytest.mark.parametrize(
    "pem",
    [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\0"],
)
def test_what_is_no_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(UnreadableFile, match="c: "):
        decode_certificates(pem, "c")
