"""URLs of http and https, taken apart strictly.

Source: RFC 3986; RFC 9110 section 4.2. What has user information, odd bytes or another scheme
is refused: such URLs come from strangers.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_TARGET = re.compile(r"[!-~]*")


class InvalidUrl(ValueError):
    """Not a URL this client follows."""


class Url(Struct, frozen=True):
    """An http or https URL.

    Attributes:
        host: without brackets.
        target: path and query, with a leading slash.
    """

    scheme: str
    host: str
    port: int
    target: str = "/"

    @property
    def authority(self) -> str:
        """Host and port as the Host field has them: a default port goes unsaid."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What may share connections and credentials."""
        return (self.scheme, self.host, self.port)

    def at(self, target: str) -> Url:
        """Another target of the same origin."""
        return Url(self.scheme, self.host, self.port, target)

    def joined(self, location: str) -> Url:
        """The URL a Location field means, seen from this one.

        Raises:
            InvalidUrl: not http or https, or malformed.
        """
        return parse_url(urljoin(str(self), location.strip()))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> Url:
    """Parse an absolute URL.

    Raises:
        InvalidUrl: not http or https, or malformed.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidUrl(f"invalid URL {text[:200]!r}: {error}") from None
    if parts.scheme not in _PORTS:
        raise InvalidUrl(f"unsupported protocol scheme {parts.scheme[:20]!r}")
    if "@" in parts.netloc:
        raise InvalidUrl("a URL with user information is not accepted")
    host = parts.hostname or ""
    if not _HOST.fullmatch(f"[{host}]" if ":" in host else host) or port == 0:
        raise InvalidUrl(f"invalid host in URL {text[:200]!r}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target) or len(target) > 16384:
        raise InvalidUrl(f"invalid URL {text[:200]!r}")
    return Url(parts.scheme, host, port or _PORTS[parts.scheme], target)
