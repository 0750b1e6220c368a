"""Certificates again, before they expire: same subject, names and uses, new dates.

The key stays unless a new one is asked for. So there is one file to replace, in one step, and
no moment at which certificate and key do not belong together; and a renewed CA is still the
signer of all that it signed.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from wharfie.pki import files
from wharfie.pki.certificates import (
    Identity,
    LeafRequest,
    days_long,
    decode_certificates,
    encode_certificate,
    issue,
    self_sign,
)
from wharfie.pki.directory import Terms
from wharfie.pki.inspection import described_hosts
from wharfie.pki.keys import PrivateKey, decode_key
from wharfie.pki.names import parse_hosts
from wharfie.pki.revoking import CRL, write_list

KEYS = {files.SERVER_CERT: files.SERVER_KEY, files.CLIENT_CERT: files.CLIENT_KEY}


def due(directory: Path, *, now: datetime.datetime, within: datetime.timedelta) -> list[str]:
    """Names of the certificates in a directory that end within a time, the CA's first.

    Raises:
        UnreadableFile: one of them is malformed.
    """
    found = []
    for name in (files.CA_CERT, *KEYS):
        path = directory / name
        if path.exists():
            certificate = decode_certificates(files.read_pem(path), str(path))[0]
            if certificate.not_valid_after_utc - now < within:
                found.append(name)
    return found


def renew(
    directory: Path,
    names: Iterable[str],
    *,
    terms: Terms,
    hosts: Iterable[str] = (),
    new_key: bool = False,
) -> list[Path]:
    """Renew certificates of a directory; returns the files written.

    Args:
        directory: has the CA, with its key.
        names: of the certificate files to renew; the CA's is done first.
        terms: how long they shall be valid, and the CA's passphrase.
        hosts: more names and addresses for the server.
        new_key: make new keys too, of the kind of the terms; never for the CA.

    Raises:
        UnreadableFile: a file is missing or unusable.
        InvalidRequest: the CA may not sign, or a host is none.
    """
    wanted = [*names]
    written: list[Path] = []
    if files.CA_CERT in wanted:
        written += _renew_ca(directory, terms)
    ca = files.read_ca(directory, terms.passphrase)
    for name in (one for one in KEYS if one in wanted):
        more = hosts if name == files.SERVER_CERT else ()
        written += _renew_leaf(directory, name, ca, terms=terms, hosts=more, new_key=new_key)
    return written


def _renew_ca(directory: Path, terms: Terms) -> list[Path]:
    old = files.read_ca(directory, terms.passphrase)
    lifetime = days_long(terms.days)
    new = self_sign(old.key, old.certificate.subject, lifetime=lifetime, now=terms.now)
    contents = {files.CA_CERT: encode_certificate(new.certificate)}
    files.write_files(directory, contents, force=True)
    written = [directory / files.CA_CERT]
    if (directory / CRL).exists():
        # Its end is the CA's: after that it would lock everybody out.
        written.append(write_list(directory, new, [], now=terms.now))
    return written


def _renew_leaf(
    directory: Path, name: str, ca: Identity, *, terms: Terms, hosts: Iterable[str], new_key: bool
) -> list[Path]:
    path, key_path = directory / name, directory / KEYS[name]
    old = decode_certificates(files.read_pem(path), str(path))[0]
    key: PrivateKey | None = None
    if not new_key:
        key = decode_key(files.read_pem(key_path), str(key_path))
    request = LeafRequest(
        subject=old.subject,
        hosts=parse_hosts([*described_hosts(old), *hosts]),
        usages=_usages(old),
        lifetime=days_long(terms.days),
        key_type=terms.key_type,
    )
    identity = issue(ca, request, now=terms.now, key=key)
    make = files.server_files if name == files.SERVER_CERT else files.client_files
    contents = make(identity)
    if not new_key:
        del contents[KEYS[name]]
    files.write_files(directory, contents, force=True)
    return [directory / one for one in contents]


def _usages(certificate: x509.Certificate) -> tuple[x509.ObjectIdentifier, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(found)
