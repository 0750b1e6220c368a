"""TLS towards a receiver of messages."""

from __future__ import annotations

import ssl


class TlsSettings:
    """Files that prove the receiver and ourselves, "" for the system's or none."""

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(self, *, ca: str = "", cert: str = "", key: str = "", verify: bool = True) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify

    def context(self) -> ssl.SSLContext:
        """A client's context; OSError when a file cannot be used."""
        context = ssl.create_default_context(cafile=self.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert:
            context.load_cert_chain(self.cert, self.key or None)
        return context
