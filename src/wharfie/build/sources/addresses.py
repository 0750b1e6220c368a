"""Which addresses builds may not fetch from: those where clouds hand out credentials.

A Dockerfile is a stranger's, and what it fetches ends up in an image. Loopback and private networks
stay open, as with Docker: people fetch from their own servers. Checked for every address that is
connected to, after each redirect and each look-up of a name.
"""

from __future__ import annotations

import ipaddress

from wharfie.model.errors import Forbidden

# Metadata services outside of the link-local ranges: of AWS by IPv6, of Alibaba Cloud, of Oracle.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refuse_metadata(host: str, address: Address) -> None:
    """Refuse an address that is not to be fetched from.

    Raises:
        Forbidden: a metadata service, or no address of one host at all.
    """
    plain = address
    if isinstance(address, ipaddress.IPv6Address):
        plain = address.ipv4_mapped or address.sixtofour or address
    if (
        plain in _METADATA
        or plain.is_link_local
        or plain.is_multicast
        or plain.is_unspecified
        or (isinstance(plain, ipaddress.IPv4Address) and plain.is_reserved)
    ):
        raise Forbidden(f"builds may not fetch from {host} ({address})")
