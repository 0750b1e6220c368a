"""The certificates of both sides: who signed them, for what names and uses, until when."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
from collections.abc import Iterator

from cryptography import x509

from wharfie.cli.doctor.findings import Finding, fail, ok, warn
from wharfie.cli.doctor.network import SECONDS, Findings
from wharfie.client.endpoint import Endpoint, TlsOptions
from wharfie.client.errors import EndpointError
from wharfie.client.tls import make_context, name_problem
from wharfie.pki.inspection import NEARLY_EXPIRED, describe

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: dates are looked at separately
_WRONG_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE
_DIRECTORY = "/etc/wharfie/tls"


def check_own(tls: TlsOptions, host: str) -> Findings:
    """Yield what is wrong with our own files; returns whether they can be used at all."""
    try:
        make_context(tls)
    except EndpointError as error:
        yield fail("client files", str(error), _another_bundle(host))
        return False
    if not tls.cert:
        return True
    certificate = _load(tls.cert)
    if certificate is None:
        return True
    text = describe(certificate, now=_now())
    if text.usages and not {"clientAuth", "any"} & set(text.usages):
        detail = f"{tls.cert} is for {', '.join(text.usages)}, not for clients (clientAuth)"
        yield fail("client certificate", detail, _another_bundle(host))
    if _now() >= text.not_after or _now() < text.not_before:
        detail = f"{tls.cert} is valid from {text.not_before:%F %R} to {text.not_after:%F %R} UTC"
        yield fail("client certificate", f"{detail}, not now", _another_bundle(host))
    elif text.not_after - _now() < NEARLY_EXPIRED:
        days = (text.not_after - _now()).days
        detail = f"{tls.cert} ends in {days} days"
        yield warn("client certificate", detail, _another_bundle(host))
    else:
        yield ok("client certificate", f"{tls.cert}: {text.subject}, until {text.not_after:%F}")
    return True


def _another_bundle(host: str) -> str:
    return f"on {host}: wharfie remote invite NAME --host {host} --force"


def check_server(endpoint: Endpoint, tls: TlsOptions) -> Iterator[Finding]:
    """Yield what is wrong with the server's certificate."""
    certificate = _peer_certificate(endpoint, tls)
    if certificate is None:
        yield fail(
            "server certificate",
            "the handshake does not get as far as a certificate",
            f"openssl s_client -connect {endpoint.host_header} -tls1_2",
        )
        return
    if not tls.verify:
        yield warn(
            "CA",
            "the server's certificate is not verified: anybody on the way can pose as the server",
            "export DOCKER_TLS_VERIFY=1  # and have the server's ca.pem in ~/.docker",
        )
        return
    yield from _dates(certificate, endpoint.host)
    yield from _names(certificate, endpoint.host)
    yield from _signature(endpoint, tls)


def _dates(certificate: x509.Certificate, host: str) -> Iterator[Finding]:
    text, now = describe(certificate, now=_now()), _now()
    renew = f"on {host}: wharfie cert renew --server --dir {_DIRECTORY}; systemctl reload wharfie"
    if now >= text.not_after:
        yield fail("expiry", f"the server's certificate ended on {text.not_after:%F %R} UTC", renew)
    elif now < text.not_before:
        yield fail(
            "clock",
            f"the server's certificate is valid from {text.not_before:%F %R} UTC, and here it is"
            f" {now:%F %R}: one of the two clocks is wrong",
            "timedatectl set-ntp true  # here and there; date -u shows the time",
        )
    elif text.not_after - now < NEARLY_EXPIRED:
        days = (text.not_after - now).days
        yield warn("expiry", f"the server's certificate ends in {days} days", renew)
    else:
        yield ok("expiry", f"the server's certificate is valid until {text.not_after:%F}")
    if text.usages and not {"serverAuth", "any"} & set(text.usages):
        yield fail(
            "key usage",
            f"the server's certificate is for {', '.join(text.usages)}, not for servers",
            f"on {host}: wharfie cert server --force --host {host} --dir {_DIRECTORY}",
        )


def _names(certificate: x509.Certificate, host: str) -> Iterator[Finding]:
    problem = name_problem(certificate, host)
    if problem:
        yield fail(
            "certified name",
            problem.removeprefix("x509: "),
            f"on {host}: wharfie remote enable --host {host}; systemctl restart wharfie",
        )
    else:
        yield ok("certified name", f"the server's certificate is valid for {host}")


def _signature(endpoint: Endpoint, tls: TlsOptions) -> Iterator[Finding]:
    signer = tls.ca or "a CA that this system knows"
    code = _verify_code(endpoint, tls)
    if code == 0:
        yield ok("CA", f"the server's certificate was signed by {signer}")
    elif code != _WRONG_PURPOSE:
        target = tls.ca or os.path.expanduser("~/.docker/ca.pem")
        yield fail(
            "CA",
            f"the server's certificate was not signed by {signer}",
            f"scp {endpoint.host}:{_DIRECTORY}/ca.pem {target}"
            "  # if that is your server, and nobody between you",
        )


def _peer_certificate(endpoint: Endpoint, tls: TlsOptions) -> x509.Certificate | None:
    context = make_context(TlsOptions(cert=tls.cert, key=tls.key, verify=False))
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host) as secure,
        ):
            found = secure.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(found) if found else None
    except (OSError, ValueError):
        return None


def _verify_code(endpoint: Endpoint, tls: TlsOptions) -> int:
    """Return OpenSSL's verdict on the chain, dates and names aside; 0 is approval."""
    context = make_context(tls)
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host),
        ):
            return 0
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    except OSError:
        return 0  # it got further than the certificate


def _load(path: str) -> x509.Certificate | None:
    try:
        with open(path, "rb") as file:
            return x509.load_pem_x509_certificates(file.read())[0]
    except (OSError, ValueError):
        return None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
