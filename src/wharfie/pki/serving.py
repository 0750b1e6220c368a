"""A server's TLS set-up that can be read again while connections stand.

    load    reads certificate, key, CAs and revocation list into a `Material`; may fail, changes
            nothing, blocks for milliseconds (run it in a thread)
    adopt   makes a `Material` the one that the next handshake takes; cannot fail

A connection keeps the context it began with, so nothing that stands is dropped. Sessions are not
resumed where clients are verified: a resumed one would skip the look at dates and revocations.
(Those of TLS 1.2 can be, within one context; a new list of revocations makes a new context, and
`web/tls.py` looks at dates.)

A revocation list is checked twice: OpenSSL refuses handshakes, and `is_revoked` tells which
connections that stand belong to a certificate revoked meanwhile. OpenSSL demands a list of every
CA whose clients come, and one that is not out of date: what cannot be checked is refused.
Sources: RFC 5280 sections 5 and 6.3; openssl-verification-options(1).
"""

from __future__ import annotations

import datetime
import os
import ssl

from msgspec import Struct

from wharfie.pki.contexts import server_context

_EARLY = datetime.timedelta(days=30)
_EARLY_LIST = datetime.timedelta(days=3)


class ServerFiles(Struct, frozen=True, kw_only=True):
    """The files of a server.

    Attributes:
        ca: CAs whose clients are admitted; read only if `verify`.
        crl: revocation lists of these CAs (PEM, DER, or cfssl's base64), "" for none.
    """

    ca: str
    cert: str
    key: str
    verify: bool
    crl: str = ""


class Validity(Struct, frozen=True):
    """From when until when something is of use; `what` names it to the user."""

    what: str
    start: datetime.datetime
    end: datetime.datetime
    early: datetime.timedelta = _EARLY


class Material(Struct, frozen=True, kw_only=True):
    """All that was read, ready to be adopted.

    Attributes:
        revoked: issuer (DER) and serial number of revoked certificates.
    """

    context: ssl.SSLContext
    validities: tuple[Validity, ...]
    revoked: frozenset[tuple[bytes, int]] = frozenset()


class ServerTls:
    """The TLS set-up of all listeners. Implements `model.tls.TlsSource`.

    Raises:
        InvalidTls: a file is missing or unusable.
    """

    def __init__(self, files: ServerFiles) -> None:
        self.files = files
        self._material = self.load()

    @property
    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        return self._material.context

    @property
    def verifies(self) -> bool:
        """True when clients need certificates."""
        return self.files.verify

    def load(self) -> Material:
        """Read all files again; nothing changes until `adopt`.

        Raises:
            InvalidTls: a file is missing or unusable; the present set-up goes on.
        """
        # Not at the top: `cryptography` costs tens of milliseconds that plain daemons save.
        from wharfie.pki.revocation import read_lists  # noqa: PLC0415
        from wharfie.pki.validity import of_certificates  # noqa: PLC0415

        files = self.files
        ca = files.ca if files.verify else None
        lists = read_lists(files.crl, files.ca) if files.crl and files.verify else None
        context = server_context(ca, files.cert, files.key, files.verify)
        validities = of_certificates(files.cert, ca)
        if lists is None:
            return Material(context=context, validities=validities)
        _check_revocations(context, lists.pem)
        return Material(
            context=context,
            validities=(
                *validities,
                *(Validity(f"revocation list {files.crl}", a, b, _EARLY_LIST)
                  for a, b in lists.validities),
            ),
            revoked=lists.revoked,
        )  # fmt: skip

    def adopt(self, material: Material) -> None:
        """Take `material` from the next handshake on."""
        self._material = material

    def is_revoked(self, certificate: bytes) -> bool:
        """Tell whether a client's certificate (DER) stands on the present revocation list."""
        if not self._material.revoked:
            return False
        from wharfie.pki.revocation import identify  # noqa: PLC0415

        return identify(certificate) in self._material.revoked

    def warnings(self, now: datetime.datetime) -> list[str]:
        """Sentences about what has expired, will within 30 days, or is not valid yet."""
        return [text for one in self._material.validities if (text := describe(one, now))]


def describe(validity: Validity, now: datetime.datetime) -> str:
    """What is to be said of a validity at `now`; "" when all is well."""
    start, end = validity.start, validity.end
    if now < start:
        return (
            f"{validity.what} is not valid before {start:%Y-%m-%d %H:%M} UTC: "
            f"is this machine's clock right? It says {now:%Y-%m-%d %H:%M} UTC"
        )
    if now >= end:
        return (
            f"{validity.what} expired on {end:%Y-%m-%d %H:%M} UTC: renew it, then reload with "
            f"SIGHUP (this machine's clock says {now:%Y-%m-%d %H:%M} UTC)"
        )
    if end - now < validity.early:
        left = (end - now).days
        return (
            f"{validity.what} expires in {left} day{'' if left == 1 else 's'}, on "
            f"{end:%Y-%m-%d %H:%M} UTC: renew it, then reload with SIGHUP"
        )
    return ""


def _check_revocations(context: ssl.SSLContext, pem: bytes) -> None:
    # The interface of `ssl` takes revocation lists from files only.
    fd = os.memfd_create("revocations", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(pem)
        context.load_verify_locations(cafile=f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
