"""Revocation lists: read from whatever form they come in, checked against the CAs they are of.

`openssl ca -gencrl` writes PEM, possibly several in one file; `cfssl gencrl` writes the DER form
in base64 without PEM's frame. Source: RFC 5280 section 5.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from msgspec import Struct

from wharfie.pki.certificates import decode_certificates
from wharfie.pki.errors import InvalidTls, UnreadableFile, describe_os_error
from wharfie.pki.files import read_pem

_LARGEST = 64 << 20
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_SIGNING_KEYS = (
    rsa.RSAPublicKey,
    dsa.DSAPublicKey,
    ec.EllipticCurvePublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
)


class RevocationLists(Struct, frozen=True, kw_only=True):
    """What a file of revocation lists says.

    Attributes:
        pem: all lists, as OpenSSL reads them.
        validities: of each list, from when until when it is up to date.
        revoked: issuer (DER) and serial number of every revoked certificate.
    """

    pem: bytes
    validities: tuple[tuple[datetime.datetime, datetime.datetime], ...]
    revoked: frozenset[tuple[bytes, int]]


def read_lists(path: str, ca: str) -> RevocationLists:
    """Read the lists in `path`, each of which must be signed by a CA in the file `ca`.

    Raises:
        InvalidTls: a file is missing or unusable, or a list is of another CA.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        why = describe_os_error(error, path)
        raise InvalidTls(f'could not read revocation list "{path}": {why}') from None
    try:
        cas = decode_certificates(read_pem(Path(ca)), ca)
    except UnreadableFile as error:
        raise InvalidTls(str(error)) from None
    lists = decode_lists(data, path)
    for one in lists:
        _check_signature(one, cas, path)
    return RevocationLists(
        pem=b"".join(one.public_bytes(serialization.Encoding.PEM) for one in lists),
        validities=tuple((one.last_update_utc, _end(one)) for one in lists),
        revoked=frozenset(
            (one.issuer.public_bytes(), entry.serial_number) for one in lists for entry in one
        ),
    )


def decode_lists(data: bytes, path: str) -> list[x509.CertificateRevocationList]:
    """Decode one or more lists; `path` names them in errors.

    Raises:
        InvalidTls: there is no list in it.
    """
    try:
        framed = _PEM.findall(data)
        if framed:
            return [x509.load_pem_x509_crl(one) for one in framed]
        return [x509.load_der_x509_crl(_unwrap(data))]
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidTls(f'"{path}" holds no revocation list (X509 CRL)') from None


def identify(certificate: bytes) -> tuple[bytes, int]:
    """Issuer and serial number of a certificate in DER form.

    Raises:
        ValueError: it is none.
    """
    decoded = x509.load_der_x509_certificate(certificate)
    return decoded.issuer.public_bytes(), decoded.serial_number


def _unwrap(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data


def _end(revocations: x509.CertificateRevocationList) -> datetime.datetime:
    return revocations.next_update_utc or datetime.datetime.max.replace(tzinfo=datetime.UTC)


def _check_signature(
    revocations: x509.CertificateRevocationList, cas: list[x509.Certificate], path: str
) -> None:
    for ca in cas:
        key = ca.public_key()
        if (
            ca.subject == revocations.issuer
            and isinstance(key, _SIGNING_KEYS)
            and revocations.is_signature_valid(key)
        ):
            return
    issuer = revocations.issuer.rfc4514_string()
    raise InvalidTls(f'the revocation list "{path}" of "{issuer}" is of none of the given CAs')
