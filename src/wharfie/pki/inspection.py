"""What a certificate says, in words, and what clients or servers will hold against it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

# A year's certificate that ends unnoticed is the classic outage of remote daemons.
NEARLY_EXPIRED = datetime.timedelta(days=30)

_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any",
}


@dataclass(frozen=True, kw_only=True)
class Description:
    """One certificate, described.

    Attributes:
        hosts: subject alternative names, `DNS:name` or `IP:address`.
        usages: extended key usages; empty for none stated, which means any.
        fingerprint: SHA-256 of the DER form, lower-case hex.
        problems: sentences, empty when nothing is wrong.
    """

    subject: str
    issuer: str
    serial: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    is_ca: bool
    key: str
    hosts: tuple[str, ...]
    usages: tuple[str, ...]
    fingerprint: str
    problems: tuple[str, ...]


def describe(certificate: x509.Certificate, *, now: datetime.datetime) -> Description:
    """Describe a certificate as of `now`.

    Raises:
        ValueError: an extension is malformed.
    """
    is_ca = _is_ca(certificate)
    hosts = described_hosts(certificate)
    usages = _usages(certificate)
    return Description(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_ca=is_ca,
        key=_key(certificate),
        hosts=hosts,
        usages=usages,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        problems=(
            *_date_problems(certificate, now),
            *_use_problems(certificate, is_ca, hosts, usages),
        ),
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def described_hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return its subject alternative names, `DNS:name` or `IP:address`."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *(f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)),
        *(f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)),
    )


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_USAGES.get(usage, usage.dotted_string) for usage in usages)


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def _date_problems(certificate: x509.Certificate, now: datetime.datetime) -> list[str]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return [f"not valid before {start:%Y-%m-%d %H:%M} UTC"]
    if now >= end:
        return [f"expired on {end:%Y-%m-%d %H:%M} UTC"]
    if end - now < NEARLY_EXPIRED:
        return [f"expires in {(end - now).days} days"]
    return []


def _use_problems(
    certificate: x509.Certificate,
    is_ca: bool,
    hosts: tuple[str, ...],
    usages: tuple[str, ...],
) -> list[str]:
    if is_ca:
        return []
    problems = []
    serves = not usages or "serverAuth" in usages or "any" in usages
    if serves and not hosts:
        problems.append(
            "names no host (subjectAltName): as a server's it is refused by all clients"
        )
    if usages and not serves and "clientAuth" not in usages:
        problems.append("is for neither servers nor clients (extendedKeyUsage)")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        problems.append(f"its RSA key of {key.key_size} bits is refused by many programs")
    hash_ = certificate.signature_hash_algorithm
    if hash_ is not None and hash_.name in {"md5", "sha1"}:
        problems.append(f"is signed with {hash_.name}, which most programs refuse")
    return problems
