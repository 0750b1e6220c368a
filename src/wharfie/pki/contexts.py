"""TLS contexts for servers and clients, from the files a user names.

At least TLS 1.2, no renegotiation. Strict RFC 5280 checks, which Python 3.13 switches on, are
switched off: a CA made by `openssl req -x509` without keyUsage is common and must load. Names are
matched against subject alternative names only. A key that wants a passphrase is refused instead
of asking at the terminal.

Only `ssl` is imported: start-up of daemon and command line does not pay for `cryptography`.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import NoReturn

from wharfie.pki.errors import InvalidTls, describe_os_error

HTTP_1_1 = ("http/1.1",)


def server_context(
    cacert: str | None,
    cert: str,
    key: str,
    verify: bool,
    *,
    alpn: Sequence[str] = HTTP_1_1,
) -> ssl.SSLContext:
    """Make the context of a listener.

    Args:
        cacert: file of the CAs whose clients are admitted; read only if `verify`.
        cert: file of the server's certificate and intermediate CAs.
        key: file of its private key, not encrypted.
        verify: demand and check a client's certificate (chain, dates, clientAuth).
        alpn: application protocols offered, the preferred one first.

    Raises:
        InvalidTls: a file is missing or unusable; the message names it.
    """
    context = _hardened(ssl.PROTOCOL_TLS_SERVER)
    if verify:
        if cacert is None:
            raise InvalidTls("verifying clients needs a CA certificate")
        _load_ca(context, cacert)
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session would skip the look at dates and revocations. Of TLS 1.2 the library
        # keeps sessions all the same: they go with the context, at a reload.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    _load_pair(context, cert, key)
    context.set_alpn_protocols(list(alpn))
    return context


def client_context(
    cacert: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    verify: bool = True,
    *,
    alpn: Sequence[str] = HTTP_1_1,
) -> ssl.SSLContext:
    """Make the context of a client.

    Args:
        cacert: file of the CAs that may have signed the server; None takes the system's.
        cert: file of the certificate to present, None for none; goes with `key`.
        key: file of its private key, not encrypted.
        verify: check the server's certificate and name; if not, anybody may pose as it.
        alpn: application protocols offered, the preferred one first.

    Raises:
        InvalidTls: a file is missing or unusable; the message names it.
    """
    context = _hardened(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif cacert is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load_ca(context, cacert)
    if (cert is None) != (key is None):
        raise InvalidTls("a client certificate and its key go together")
    if cert is not None and key is not None:
        _load_pair(context, cert, key)
    context.set_alpn_protocols(list(alpn))
    return context


def _hardened(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # As in Go, every certificate in the CA file is an anchor, an intermediate CA too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _load_ca(context: ssl.SSLContext, cacert: str) -> None:
    try:
        _check_readable(cacert)
    except OSError as error:
        why = describe_os_error(error, cacert)
        raise InvalidTls(f'could not read CA certificate "{cacert}": {why}') from None
    try:
        context.load_verify_locations(cafile=cacert)
    except (ssl.SSLError, ValueError):
        raise InvalidTls(f'failed to append certificates from PEM file: "{cacert}"') from None


def _load_pair(context: ssl.SSLContext, cert: str, key: str) -> None:
    def refuse(why: str) -> NoReturn:
        raise InvalidTls(
            f'could not load X509 key pair (cert: "{cert}", key: "{key}"): {why}'
        ) from None

    def no_passphrase() -> str:
        refuse("tls: the private key is encrypted; a key without passphrase is needed")

    for path in (cert, key):
        try:
            _check_readable(path)
        except OSError as error:
            refuse(describe_os_error(error, path))
    try:
        context.load_cert_chain(cert, key, password=no_passphrase)
    except ssl.SSLError as error:
        refuse(_explain(error, cert, key))
    except ValueError as error:
        refuse(f"tls: {error}")


def _check_readable(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _explain(error: ssl.SSLError, cert: str, key: str) -> str:
    """OpenSSL says only "PEM lib" for most of what can be wrong with two files."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return "tls: private key does not match public key"
    for path, what, marker in (
        (cert, "certificate", b"-----BEGIN CERTIFICATE-----"),
        (key, "key", b"PRIVATE KEY-----"),
    ):
        with open(path, "rb") as file:
            if marker not in file.read(1 << 20):
                return f"tls: failed to find any PEM data in {what} input"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
