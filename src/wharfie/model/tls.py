"""What a listener needs to know of TLS: which set-up the next handshake takes."""

from __future__ import annotations

import ssl
from typing import Protocol


class TlsSource(Protocol):
    """Hands out the server's TLS set-up, which may change while the server runs."""

    @property
    def context(self) -> ssl.SSLContext:
        """For the next handshake; connections that stand keep the one they began with."""
