"""TLS on a connected socket, with half-close, and Go's words for what goes wrong.

The protocol runs over memory buffers instead of the standard library's socket wrapper: that one
cannot close its writing side alone, which an attached stdin needs. One lock guards the protocol
object; nobody waits for the network while holding it.
"""

from __future__ import annotations

import _socket
import _thread
import os
import ssl

from wharfie.client.dialing import RECEIVE, Stream, dial_tcp, error_words
from wharfie.client.endpoint import Endpoint, TlsOptions
from wharfie.client.errors import Cause, EndpointError, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.x509 import Certificate


class SecureStream(Stream):
    """A TLS connection after its handshake."""

    def __init__(
        self,
        sock: _socket.socket,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        session: ssl.SSLObject,
    ) -> None:
        super().__init__(sock)
        self._incoming = incoming
        self._outgoing = outgoing
        self._session = session
        self._lock = _thread.allocate_lock()
        self._sending = _thread.allocate_lock()
        self._closed = False

    def recv(self, size: int = RECEIVE) -> bytes:
        """Return some bytes; empty at the end of the stream."""
        while True:
            try:
                with self._lock:
                    data = self._session.read(size)
                self._flush()
            except ssl.SSLWantReadError:
                self._flush()
                fresh = super().recv(RECEIVE)
                with self._lock:
                    if fresh:
                        self._incoming.write(fresh)
                    else:
                        self._incoming.write_eof()
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise alert(error) from None
            return data

    def send(self, data: bytes) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            piece = view[:RECEIVE]
            try:
                with self._lock:
                    self._session.write(piece)
            except ssl.SSLError as error:
                raise alert(error) from None
            self._flush()
            view = view[len(piece) :]

    def close_write(self) -> None:
        """Send the closing alert; reading goes on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._session.unwrap()
            except ssl.SSLError:
                pass  # the other side's own closing alert has not come yet, as expected
        self._flush()

    def _flush(self) -> None:
        with self._sending:
            with self._lock:
                data = self._outgoing.read()
            if data:
                super().send(data)


def secure(sock: _socket.socket, endpoint: Endpoint, options: TlsOptions) -> Stream:
    """Run the handshake.

    Raises:
        TransportError: in Go's words; certificate problems name what the certificate is valid for.
        EndpointError: a file is missing or unusable.
    """
    context = make_context(options)
    try:
        return _handshake(sock, context, endpoint.host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        reason, cause = _verification_words(endpoint, options, error)
        message = f"tls: failed to verify certificate: {reason}"
        raise TransportError(message, kind="tls", cause=cause) from None
    except ssl.SSLError as error:
        sock.close()
        raise _handshake_failure(error) from None


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """Make a client context of the options.

    Raises:
        EndpointError: a file is missing or unusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= (
        ~ssl.VERIFY_X509_STRICT
    )  # a CA made by the documented recipe has no keyUsage
    context.hostname_checks_common_name = False  # as in Go, only subjectAltName counts
    context.set_alpn_protocols(["http/1.1"])
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca:
        _load_ca(context, options.ca)
    else:
        context.load_default_certs()
    if options.cert or options.key:
        _load_pair(context, options.cert, options.key)
    return context


def _load_ca(context: ssl.SSLContext, path: str) -> None:
    _readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise EndpointError(f"failed to append certificates from PEM file: {path!r}") from None


def _load_pair(context: ssl.SSLContext, cert: str, key: str) -> None:
    _readable(cert)
    _readable(key)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            reason = "tls: private key does not match public key"
        message = f'could not load X509 key pair: {reason} (cert: "{cert}", key: "{key}")'
        raise EndpointError(message) from None


def _no_password() -> str:
    """Refuse to ask on the terminal for the password of an encrypted key."""
    return ""


def _readable(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise EndpointError(f"open {path}: {error_words(error)}") from None


def _handshake(sock: _socket.socket, context: ssl.SSLContext, host: str) -> SecureStream:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=host)
    plain = Stream(sock)
    first = True
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            _push(plain, outgoing)
            data = plain.recv(RECEIVE)
            if not data:
                raise TransportError("EOF", kind="tls") from None
            if first and data[0] not in {0x15, 0x16}:
                raise TransportError(_not_tls(data), kind="tls", cause=Cause.SPEAKS_PLAIN) from None
            first = False
            incoming.write(data)
            continue
        except ssl.SSLError:
            _push(plain, outgoing)
            raise
        break
    _push(plain, outgoing)
    return SecureStream(sock, incoming, outgoing, session)


def _push(plain: Stream, outgoing: ssl.MemoryBIO) -> None:
    data = outgoing.read()
    if data:
        try:
            plain.send(data)
        except TransportError:
            return  # what the server said before it hung up explains more


def _not_tls(data: bytes) -> str:
    if data.startswith(b"HTTP/"):
        return "http: server gave HTTP response to HTTPS client"
    return "tls: first record does not look like a TLS handshake"


_ALERTS = {
    "CERTIFICATE_REQUIRED": "certificate required",
    "BAD_CERTIFICATE": "bad certificate",
    "UNKNOWN_CA": "unknown certificate authority",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "CERTIFICATE_REVOKED": "revoked certificate",
    "UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "HANDSHAKE_FAILURE": "handshake failure",
    "PROTOCOL_VERSION": "protocol version not supported",
    "ACCESS_DENIED": "access denied",
    "INTERNAL_ERROR": "internal error",
    "DECRYPT_ERROR": "error decrypting message",
}


# alerts with which a server refuses the client's certificate, or its absence
_US = {
    "certificate required",
    "bad certificate",
    "unknown certificate authority",
    "unknown certificate",
    "expired certificate",
    "revoked certificate",
    "unsupported certificate",
    "access denied",
}


def alert_words(error: ssl.SSLError) -> str:
    """Word an alert of the other side as Go does."""
    reason = (error.reason or "").upper()
    if "ALERT" in reason:
        for name, words in _ALERTS.items():
            if reason.endswith("ALERT_" + name):
                return f"remote error: tls: {words}"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"


def alert(error: ssl.SSLError) -> TransportError:
    """Make our error of one of TLS."""
    words = alert_words(error)
    refused = words.startswith("remote error") and words.removeprefix("remote error: tls: ") in _US
    return TransportError(words, kind="tls", cause=Cause.CLIENT_REFUSED if refused else "")


def _handshake_failure(error: ssl.SSLError) -> TransportError:
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        words = "tls: first record does not look like a TLS handshake"
        return TransportError(words, kind="tls", cause=Cause.SPEAKS_PLAIN)
    return alert(error)


def _verification_words(
    endpoint: Endpoint, options: TlsOptions, error: ssl.SSLCertVerificationError
) -> tuple[str, str]:
    """Say what is wrong with the server's certificate, in the order Go looks at it; and why."""
    certificate = _peer_certificate(endpoint, options)
    if certificate is None:
        return f"x509: {error.verify_message}", ""
    if problem := validity_problem(certificate):
        early = " is before " in problem
        return problem, Cause.NOT_YET_VALID if early else Cause.EXPIRED
    if problem := name_problem(certificate, endpoint.host):
        return problem, Cause.WRONG_NAME
    if error.verify_code == 26:
        return "x509: certificate specifies an incompatible key usage", Cause.WRONG_USE
    return "x509: certificate signed by unknown authority", Cause.UNKNOWN_CA


def _peer_certificate(endpoint: Endpoint, options: TlsOptions) -> Certificate | None:
    """Connect once more without checks and read the certificate."""
    from cryptography import x509

    unchecked = TlsOptions(cert=options.cert, key=options.key, verify=False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = make_context(unchecked).wrap_bio(incoming, outgoing, server_hostname=endpoint.host)
    try:
        plain = Stream(dial_tcp(endpoint))
    except TransportError:
        return None
    try:
        while True:
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                _push(plain, outgoing)
                data = plain.recv(RECEIVE)
                if not data:
                    return None
                incoming.write(data)
                continue
            break
        found = session.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(found) if found else None
    except (TransportError, ssl.SSLError, ValueError):
        return None
    finally:
        plain.close()


def validity_problem(certificate: Certificate) -> str:
    """Return Go's words when the certificate is not valid now, else nothing."""
    from datetime import UTC, datetime

    now = datetime.now(tz=UTC).replace(microsecond=0)
    start = certificate.not_valid_before_utc
    end = certificate.not_valid_after_utc
    text = "x509: certificate has expired or is not yet valid: current time"
    if now < start:
        return f"{text} {now:%Y-%m-%dT%H:%M:%SZ} is before {start:%Y-%m-%dT%H:%M:%SZ}"
    if now > end:
        return f"{text} {now:%Y-%m-%dT%H:%M:%SZ} is after {end:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def name_problem(certificate: Certificate, host: str) -> str:
    """Return Go's words when the certificate does not name `host`, else nothing."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        dns = extension.value.get_values_for_type(x509.DNSName)
        ips = [str(ip) for ip in extension.value.get_values_for_type(x509.IPAddress)]
        has_names = True
    except x509.ExtensionNotFound:
        dns, ips, has_names = [], [], False
    if _is_ip(host):
        if host in ips:
            return ""
        if not ips:
            return (
                f"x509: cannot validate certificate for {host} because it doesn't contain"
                " any IP SANs"
            )
        return f"x509: certificate is valid for {', '.join(ips)}, not {host}"
    if any(matches(pattern, host) for pattern in dns):
        return ""
    if not has_names:
        return "x509: certificate relies on legacy Common Name field, use SANs instead"
    if not dns:
        return f"x509: certificate is not valid for any names, but wanted to match {host}"
    return f"x509: certificate is valid for {', '.join(dns)}, not {host}"


def _is_ip(host: str) -> bool:
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def matches(pattern: str, host: str) -> bool:
    """Tell whether a certificate's name covers `host`; `*` stands for one whole label."""
    wanted, labels = host.lower().rstrip(".").split("."), pattern.lower().split(".")
    if len(wanted) != len(labels):
        return False
    first_fits = labels[0] in {"*", wanted[0]}
    return first_fits and labels[1:] == wanted[1:]
