"""What listening sockets expose: refused, warned of, or fine. Words as dockerd's (seeds B9).

Whoever reaches the API is root on this machine. TCP without encryption is therefore served off
loopback only when it was asked for twice: by an address and by `--allow-plain-tcp` (or, as
dockerd has it, `--tls=false`). Called as `dockerd` the second word is not needed, for units and
scripts written for dockerd have only the first; it is warned of all the same.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterable

from wharfie.web import Listener, ListenError, Opened
from wharfie.web.listening.addresses import spell_address, tls_of

_log = logging.getLogger(__name__)
_ADVICE = (
    "Binding to IP address without --tlsverify is insecure and gives root access on this machine "
    "to everyone who has access to your network.",
    "Binding to an IP address, even on localhost, can also give access to scripts run in a "
    "browser. Be safe out there!",
    "[DEPRECATION NOTICE] In future versions this will be a hard failure preventing the daemon "
    "from starting! Learn more at: https://docs.docker.com/go/api-security/",
)
_ATTACK_SURFACE = (
    "         Access to the remote API is equivalent to root access on the host. Refer\n"
    "         to the 'Docker daemon attack surface' section in the documentation for\n"
    "         more information: https://docs.docker.com/go/attack-surface/"
)


def is_loopback(name: object) -> bool:
    """Tell whether a socket's name is an address that only this machine reaches."""
    if not isinstance(name, tuple):
        return False
    address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


class Exposure:
    """Looks at every socket before anybody can connect to it."""

    def __init__(self, *, allow_plain: bool) -> None:
        self._allow_plain = allow_plain

    def check(self, listener: Listener, opened: socket.socket) -> None:
        """Refuse plain TCP off loopback unless it was allowed.

        Raises:
            ListenError: the line says how to encrypt, and how to insist.
        """
        if opened.family == socket.AF_UNIX or tls_of(listener, opened) is not None:
            return
        if self._allow_plain or is_loopback(opened.getsockname()):
            return
        raise ListenError(
            f"{listener.url} without TLS gives root on this machine to everybody who reaches "
            f"{spell_address(opened.getsockname())}: use --tlsverify with certificates "
            "(wharfie cert create), or insist with --allow-plain-tcp"
        )


def insecure_warnings(opened: Iterable[Opened]) -> list[str]:
    """What `docker info` warns of: TCP without client certificates."""
    warnings = []
    for listener, one in _insecure(opened):
        address = spell_address(one.getsockname())
        if tls_of(listener, one) is None:
            what = f"WARNING: API is accessible on http://{address} without encryption."
        else:
            what = (
                f"WARNING: API is accessible on https://{address} without TLS client verification."
            )
        warnings.append(f"{what}\n{_ATTACK_SURFACE}")
    return warnings


def log_insecure(opened: Iterable[Opened]) -> None:
    """Log dockerd's warnings for TCP without client certificates."""
    for _, one in _insecure(opened):
        fields = {"host": f"tcp://{spell_address(one.getsockname())}"}
        for line in _ADVICE:
            _log.warning(line, extra={"fields": fields})


def _insecure(opened: Iterable[Opened]) -> Iterable[tuple[Listener, socket.socket]]:
    for each in opened:
        for one in each.sockets:
            tls = tls_of(each.listener, one)
            verifies = tls is not None and tls.context.verify_mode is ssl.CERT_REQUIRED
            if one.family != socket.AF_UNIX and not verifies:
                yield each.listener, one
