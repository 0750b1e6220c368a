"""How long the certificates in a server's files are valid."""

from __future__ import annotations

import logging
from pathlib import Path

from wharfie.pki.certificates import decode_certificates
from wharfie.pki.errors import UnreadableFile
from wharfie.pki.files import read_pem
from wharfie.pki.serving import Validity

_log = logging.getLogger(__name__)


def of_certificates(cert: str, ca: str | None) -> tuple[Validity, ...]:
    """Validities of the server's own certificate, its chain, and the CAs of its clients.

    What OpenSSL could use and this reader cannot is left out, with a line in the log.
    """
    found = [*_read(cert, "server certificate"), *(_read(ca, "CA certificate") if ca else ())]
    return tuple(dict.fromkeys(found))


def _read(path: str, what: str) -> list[Validity]:
    try:
        decoded = decode_certificates(read_pem(Path(path)), path)
    except UnreadableFile as error:
        _log.warning("cannot tell when it expires: %s", error)
        return []
    return [
        Validity(f"{what} {path}", one.not_valid_before_utc, one.not_valid_after_utc)
        for one in decoded
    ]
