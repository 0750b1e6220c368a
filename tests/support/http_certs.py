"""A throw-away CA with server and client certificates, made once for a test session."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOW = datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class FixedTls:
    """A `TlsSource` that never changes."""

    context: ssl.SSLContext


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    def source(self, *, verify: bool = False) -> FixedTls:
        return FixedTls(self.server_context(verify=verify))

    def server_context(self, *, verify: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "server.pem", self.directory / "server.key")
        if verify:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def client_context(self, *, identify: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if identify:
            context.load_cert_chain(self.directory / "cert.pem", self.directory / "key.pem")
        return context


@functools.cache
def certificates() -> Certificates:
    """Make the files; the layout is what `docker --tlsverify` expects in DOCKER_CERT_PATH."""
    directory = Path(tempfile.mkdtemp(prefix="wharfie-certs-"))
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test ca")])
    ca = _build(ca_name, ca_name, ca_key.public_key(), ca_key, is_ca=True)
    _write(directory / "ca.pem", ca)
    for name, attributes, files in (
        ("server", [(NameOID.COMMON_NAME, "localhost")], ("server.pem", "server.key")),
        (
            "client",
            [(NameOID.ORGANIZATION_NAME, "Acme, Inc."), (NameOID.COMMON_NAME, "alice")],
            ("cert.pem", "key.pem"),
        ),
    ):
        del name
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
        _write(directory / files[0], _build(subject, ca_name, key.public_key(), ca_key))
        (directory / files[1]).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return Certificates(directory)


def _build(subject, issuer, public, signer, *, is_ca: bool = False) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - datetime.timedelta(days=1))
        .not_valid_after(_NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("localhost"),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
    return builder.sign(signer, hashes.SHA256())


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
