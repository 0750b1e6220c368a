"""Pages: the parameters `n` and `last`, and the `Link` to the next one.

However much a client asks for, it gets a bounded page and a link: CVE-2023-2253.
Source: OCI distribution spec 1.1, "Listing Tags"; RFC 8288.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from wharfie.registry.errors import Code, Refused
from wharfie.registry.server.exchange import Exchange

_MAX_DIGITS = 18


def page_size(exchange: Exchange, *, default: int, most: int) -> int:
    """Entries of the page a client asks for.

    Raises:
        Refused: PAGINATION_NUMBER_INVALID.
    """
    text = exchange.parameter("n")
    if text is None or text == "":
        return min(default, most)
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        raise Refused(
            Code.PAGINATION_NUMBER_INVALID,
            "invalid number of results requested",
            detail={"n": text[:20]},
        )
    return min(int(text), most)


def next_link(path: str, *, last: str, size: int, **others: str) -> tuple[str, str]:
    """The field that leads to the next page; `others` are parameters that page needs, too."""
    query = urlencode({"last": last, "n": str(size), **others}, quote_via=quote)
    return ("Link", f'<{path}?{query}>; rel="next"')
