"""Who is at the other end of a connection: the one place where callers get their identity."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from contextlib import closing

from wharfie.kernel.sockets import peer_credentials
from wharfie.model.caller import Caller
from wharfie.web.listening.addresses import spell_address

_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


def identify(held: socket.socket, peer: object, listener: str, tls: ssl.SSLObject | None) -> Caller:
    """Tell who is at the other end of a fresh connection.

    Args:
        held: the connection's socket.
        peer: its peer name as the transport knows it.
        listener: the listener's URL.
        tls: the TLS state after the handshake, None on plain connections.
    """
    if held.family == socket.AF_UNIX:
        with closing(socket.socket(fileno=os.dup(held.fileno()))) as mine:
            who = peer_credentials(mine)
        return Caller(transport="unix", uid=who.uid, gid=who.gid, pid=who.pid, listener=listener)
    address = spell_address(peer)
    if tls is None:
        return Caller(transport="tcp", address=address, listener=listener)
    certificate = tls.getpeercert(binary_form=True)
    # A certificate nobody verified identifies nobody.
    if tls.context.verify_mode == ssl.CERT_NONE:
        certificate = None
    described = (tls.getpeercert() if certificate else None) or {}
    subject = spell_subject(described) if certificate else ""
    fingerprint = hashlib.sha256(certificate).hexdigest() if certificate else ""
    return Caller(
        transport="tls",
        address=address,
        subject=subject,
        fingerprint=fingerprint,
        serial=str(described.get("serialNumber", "")),
        listener=listener,
    )


def spell_subject(certificate: object) -> str:
    """Spell the subject of a verified certificate as RFC 4514 does: last part first."""
    assert isinstance(certificate, dict)
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in relative)
        for relative in certificate.get("subject", ())
    ]
    return ",".join(reversed(parts))


def _escape(value: str) -> str:
    text = "".join(f"\\{c}" if c in ',+"\\<>;=' else c for c in value).replace("\0", "\\00")
    if text.startswith(("#", " ")):
        text = "\\" + text
    if text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1] + "\\ "
    return text
