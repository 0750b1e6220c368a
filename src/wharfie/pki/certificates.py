"""Certificates as values: a root that signs, and server and client leaves under it.

Extensions follow RFC 5280 closely enough for OpenSSL's strict mode and for Go: the root carries
basicConstraints and keyUsage (both critical) and its key identifier, a leaf the identifiers of
both keys, its key usages and exactly one extended key usage. Nothing here reads a clock or a
file; RSA keys make signing slow (milliseconds).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wharfie.pki.errors import InvalidRequest, UnreadableFile
from wharfie.pki.keys import KeyType, PrivateKey, generate_key, public_bytes, public_bytes_of
from wharfie.pki.names import HostNames, parse_common_name

# Clocks of machines disagree: a new certificate is valid from a little earlier.
BACKDATING = datetime.timedelta(minutes=5)
LONGEST_VALIDITY_DAYS = 36500


@dataclass(frozen=True)
class Identity:
    """A certificate and the private key it certifies."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, kw_only=True)
class LeafRequest:
    """What a leaf certificate is wanted for.

    Attributes:
        subject: its common name is of no meaning for servers, the user's name for clients.
        hosts: subject alternative names; a server needs one at least.
        usages: extended key usages, `SERVER_AUTH` and `CLIENT_AUTH`.
        lifetime: how long it shall be valid.
    """

    subject: x509.Name
    hosts: HostNames
    usages: tuple[x509.ObjectIdentifier, ...]
    lifetime: datetime.timedelta
    key_type: KeyType = KeyType.ECDSA_P256


def create_ca(
    common_name: str, *, days: int, now: datetime.datetime, key_type: KeyType
) -> Identity:
    """Make a self-signed root that signs leaves only.

    Args:
        common_name: its subject.
        days: validity from `now`.
        now: aware date and time.
        key_type: kind of its key.

    Raises:
        InvalidRequest: the name or the number of days is out of range.
    """
    key = generate_key(key_type)
    return self_sign(key, make_name(common_name), lifetime=days_long(days), now=now)


def self_sign(
    key: PrivateKey, name: x509.Name, *, lifetime: datetime.timedelta, now: datetime.datetime
) -> Identity:
    """Make the certificate of a root whose key and name exist."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(name, name, key, now, now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    return Identity(builder.sign(key, hashes.SHA256()), key)


def server_request(hosts: HostNames, *, days: int, key_type: KeyType) -> LeafRequest:
    """A request for a server; its common name is the first host, for old tools' listings.

    Raises:
        InvalidRequest: no host was named; clients would refuse such a certificate.
    """
    if not hosts:
        raise InvalidRequest("a server certificate needs a host name or address")
    first = hosts.dns[0] if hosts.dns else str(hosts.addresses[0])
    return LeafRequest(
        subject=make_name(first[:64]),
        hosts=hosts,
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        lifetime=days_long(days),
        key_type=key_type,
    )


def client_request(common_name: str, *, days: int, key_type: KeyType) -> LeafRequest:
    """A request for a client, known to servers by `common_name`."""
    return LeafRequest(
        subject=make_name(common_name),
        hosts=HostNames(),
        usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        lifetime=days_long(days),
        key_type=key_type,
    )


def issue(
    ca: Identity, request: LeafRequest, *, now: datetime.datetime, key: PrivateKey | None = None
) -> Identity:
    """Make a leaf signed by `ca`, which ends no later than `ca` does, for a new key or `key`.

    Raises:
        InvalidRequest: the signer is no CA, or is not valid now, or the request is out of range.
    """
    check_signer(ca, now=now)
    key = key or generate_key(request.key_type)
    until = min(now + request.lifetime, ca.certificate.not_valid_after_utc)
    usages = ["digital_signature"]
    if isinstance(key, rsa.RSAPrivateKey):
        usages.append("key_encipherment")  # RSA key exchange of TLS 1.2
    builder = (
        _builder(request.subject, ca.certificate.subject, key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(*usages), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority(ca), critical=False)
    )
    if request.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(request.usages), critical=False)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.hosts.dns]
    names += [x509.IPAddress(address) for address in request.hosts.addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(builder.sign(ca.key, hashes.SHA256()), key)


def check_signer(ca: Identity, *, now: datetime.datetime) -> None:
    """Refuse a signer whose leaves nobody would accept.

    A root without keyUsage (as `openssl req -x509` makes them) may sign; one whose keyUsage lacks
    certificate signing may not.
    """
    certificate = ca.certificate
    if public_bytes(ca.key) != public_bytes_of(certificate):
        raise InvalidRequest("the CA's key does not belong to its certificate")
    extensions = certificate.extensions
    try:
        may_sign = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        may_sign = False
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        may_sign = may_sign and usage.key_cert_sign
    except x509.ExtensionNotFound:
        pass
    if not may_sign:
        raise InvalidRequest("the certificate is not a CA: it may not sign others")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise InvalidRequest(
            f"the CA is not valid now: {certificate.not_valid_before_utc:%Y-%m-%d}"
            f" to {certificate.not_valid_after_utc:%Y-%m-%d}"
        )


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def decode_certificates(pem: bytes, path: str) -> list[x509.Certificate]:
    """Read all certificates of a PEM file, one at least.

    Raises:
        UnreadableFile: there is none, or one is malformed.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UnreadableFile(path, f"not a PEM certificate: {error}") from None


def make_name(
    common_name: str, attributes: Sequence[tuple[x509.ObjectIdentifier, str]] = ()
) -> x509.Name:
    """Make a subject; the attributes stand before the common name, as is usual.

    Raises:
        InvalidRequest: the common name, or an attribute, has no place in a certificate.
    """
    try:
        return x509.Name(
            [
                *(x509.NameAttribute(kind, value) for kind, value in attributes),
                x509.NameAttribute(NameOID.COMMON_NAME, parse_common_name(common_name)),
            ]
        )
    except ValueError as error:
        raise InvalidRequest(f"invalid subject: {error}") from None


def days_long(days: int) -> datetime.timedelta:
    """A lifetime of so many days; InvalidRequest if that is none."""
    if not 1 <= days <= LONGEST_VALIDITY_DAYS:
        raise InvalidRequest(f"invalid number of days {days}: 1 to {LONGEST_VALIDITY_DAYS}")
    return datetime.timedelta(days=days)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(until)
    )


def _authority(ca: Identity) -> x509.AuthorityKeyIdentifier:
    """Names the signer's key as the signer itself names it, whatever way that was computed."""
    try:
        own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _key_usage(*allowed: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in allowed for name in names.split()})
