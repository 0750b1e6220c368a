"""Whether a request may come from where a browser says it comes from.

Two attacks turn a browser that can reach a server into the attacker's client. *Cross-site*: a page
sends requests whose answers it cannot read, but which act. *DNS rebinding*: a page's own name is
made to resolve to this server, so that its requests are of the same origin and can be read. The
first shows in Origin, Sec-Fetch-Site and Referer, which pages cannot forge; the second in Host,
which then holds a name that nobody gave this server.

TLS with the right name stops rebinding by itself, and no browser reaches a unix socket.
Sources: RFC 6454; Fetch, "Sec-Fetch-Site"; RFC 9110 section 7.2.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from msgspec import Struct

_OWN_SITES = ("none", "same-origin")
_BROWSERS_FIELDS = ("accept-language", "sec-fetch-mode", "sec-fetch-dest", "cookie", "dnt")


class OriginPolicy(Struct, frozen=True, kw_only=True):
    """Which names this server has.

    Attributes:
        names: lower-case host names besides "localhost" and plain addresses.
        is_lenient: other names are admitted too, unless the request looks like a browser's.
    """

    names: frozenset[str] = frozenset()
    is_lenient: bool = False

    def refusal(self, headers: Mapping[str, str], transport: str) -> str:
        """Why a request is refused, "" when it is not.

        Args:
            headers: by lower-case name.
            transport: as in `Caller`.
        """
        if transport == "unix":
            return ""
        site = headers.get("sec-fetch-site")
        if site is not None and site.strip().lower() not in _OWN_SITES:
            return "cross-site request refused: a web page of another site asked for it"
        host = headers.get("host", "").strip().lower()
        for field in ("origin", "referer"):
            origin = headers.get(field)
            if origin is not None and _authority(origin) != host:
                return f"cross-origin request refused: {field.title()} is {origin[:200]!r}"
        if transport == "tcp" and not self._knows(host, headers):
            return (
                f"unknown host name {host[:200]!r}: requests by this name are refused, as web "
                "pages could send them by DNS rebinding; if it is this server's, add it to \""
                "allowed-hosts\" in the daemon's configuration, or start it with --allowed-host"
            )
        return ""

    def _knows(self, host: str, headers: Mapping[str, str]) -> bool:
        name = _name_of(host)
        if not name or name == "localhost" or name.endswith(".localhost"):
            return True
        if name in self.names or _is_address(name):
            return True
        return self.is_lenient and not _looks_like_a_browser(headers)


def _authority(origin: str) -> str:
    """Host and port of an origin or a URL; "" for an opaque one."""
    _, separator, rest = origin.strip().lower().partition("://")
    return rest.partition("/")[0] if separator else ""


def _name_of(host: str) -> str:
    """The name of a Host field, without port, brackets and the root's dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _looks_like_a_browser(headers: Mapping[str, str]) -> bool:
    """A page can change the language its browser accepts, but not take the field away."""
    return "mozilla" in headers.get("user-agent", "").lower() or any(
        field in headers for field in _BROWSERS_FIELDS
    )
