"""A revocation list kept beside a CA: `crl.pem`, made anew with each addition.

Lists have an end, after which OpenSSL admits nobody; ours has the CA's own, for nobody renews it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from wharfie.pki import files
from wharfie.pki.certificates import BACKDATING, Identity
from wharfie.pki.errors import UnreadableFile

CRL = "crl.pem"


def write_list(
    directory: Path, ca: Identity, serials: Iterable[int], *, now: datetime.datetime
) -> Path:
    """Write the list of a CA with these certificates added to those on it; returns its path.

    Raises:
        UnreadableFile: the present list is malformed, or the directory cannot be written.
    """
    path = directory / CRL
    revoked = {one.serial_number: one for one in _present(path)}
    for serial in serials:
        builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        revoked.setdefault(serial, builder.build())
    revocations = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(now - BACKDATING)
        .next_update(ca.certificate.not_valid_after_utc)
    )
    for one in revoked.values():
        revocations = revocations.add_revoked_certificate(one)
    signed = revocations.sign(ca.key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    files.write_files(directory, {CRL: pem}, force=True)
    return path


def revoked_serials(directory: Path) -> set[int]:
    """Return the serial numbers on the list beside a CA; none where there is no list.

    Raises:
        UnreadableFile: the list is malformed.
    """
    return {one.serial_number for one in _present(directory / CRL)}


def _present(path: Path) -> list[x509.RevokedCertificate]:
    if not path.exists():
        return []
    try:
        return list(x509.load_pem_x509_crl(files.read_pem(path)))
    except ValueError as error:
        raise UnreadableFile(str(path), f"not a revocation list: {error}") from None
