"""TLS of the registry, as configured."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class TlsConfig(Struct, frozen=True, kw_only=True):
    """Files and demands.

    Attributes:
        certificate: with its intermediate CAs.
        key: of it.
        client_cas: files of CAs whose clients are admitted; empty asks clients for nothing.
        is_optional: a client may go without certificate.
        is_newest: TLS 1.3 alone; else also 1.2.
        crl: revocation list of the clients' CA, "" for none.
    """

    certificate: str
    key: str
    client_cas: Sequence[str] = ()
    is_optional: bool = False
    is_newest: bool = False
    crl: str = ""
