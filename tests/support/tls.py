"""TLS without a network: two ends joined by memory, and certificates that are wrong on purpose."""

import datetime
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from wharfie.pki.certificates import Identity, create_ca, encode_certificate
from wharfie.pki.files import write_files
from wharfie.pki.keys import KeyType, encode_key, generate_key


def now() -> datetime.datetime:
    """Handshakes are judged by the machine's clock, so certificates are made by it too."""
    return datetime.datetime.now(datetime.UTC)


def make_ca(name: str = "Test CA") -> Identity:
    return create_ca(name, days=30, now=now(), key_type=KeyType.ECDSA_P256)


def sign_anything(
    ca: Identity,
    common_name: str,
    *,
    usages: Iterable[x509.ObjectIdentifier] = (),
    dns: Iterable[str] = (),
    days: tuple[int, int] = (-1, 1),
) -> Identity:
    """A leaf with exactly these extensions, however senseless; valid from and until in days."""
    key = generate_key(KeyType.ECDSA_P256)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + datetime.timedelta(days=days[0]))
        .not_valid_after(now() + datetime.timedelta(days=days[1]))
    )
    if wanted := list(usages):
        builder = builder.add_extension(x509.ExtendedKeyUsage(wanted), critical=False)
    if names := [x509.DNSName(name) for name in dns]:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(builder.sign(ca.key, hashes.SHA256()), key)


@dataclass(frozen=True)
class PairOnDisk:
    """Files of one identity."""

    cert: str
    key: str


def save(directory: Path, name: str, identity: Identity) -> PairOnDisk:
    files = {
        f"{name}.pem": encode_certificate(identity.certificate),
        f"{name}-key.pem": encode_key(identity.key),
    }
    write_files(directory, files)
    return PairOnDisk(str(directory / f"{name}.pem"), str(directory / f"{name}-key.pem"))


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Complete a handshake and one byte each way, as TLS 1.3 tells a refusal only on reading.

    Raises:
        ssl.SSLError: whichever end refused first.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    calling = client.wrap_bio(to_client, to_server, server_hostname=host)
    steps = [calling.do_handshake, serving.do_handshake]
    for _ in range(10):
        waiting = []
        for step in steps:
            try:
                step()
            except ssl.SSLWantReadError:
                waiting.append(step)
        steps = waiting
        if not steps:
            break
    calling.write(b"q")
    assert serving.read(1) == b"q"
    serving.write(b"a")
    assert calling.read(1) == b"a"
    return serving, calling
