"""Private keys: made, written as PEM, read back.

Written as PKCS#8, which openssl, Go and Python all read; read also in the older forms that
`openssl genrsa` writes, encrypted or not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wharfie.pki.errors import InvalidRequest, UnreadableFile

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_SHORTEST_PASSPHRASE = 4  # openssl refuses to read shorter ones
_LONGEST_PASSPHRASE = 1023


class KeyType(StrEnum):
    """Kinds of keys this tool makes."""

    ECDSA_P256 = "ecdsa-p256"
    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"


def generate_key(kind: KeyType) -> PrivateKey:
    """Make a new key. An RSA 4096 key takes about a second of CPU: not on an event loop."""
    match kind:
        case KeyType.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.RSA_2048:
            return rsa.generate_private_key(65537, 2048)
        case KeyType.RSA_4096:
            return rsa.generate_private_key(65537, 4096)
    assert_never(kind)


def parse_key_type(text: str) -> KeyType:
    """Read a kind of key as typed; `rsa` and `ecdsa` stand for the usual sizes."""
    short = {"ecdsa": KeyType.ECDSA_P256, "rsa": KeyType.RSA_4096}
    try:
        return short.get(text) or KeyType(text)
    except ValueError:
        kinds = ", ".join(KeyType)
        raise InvalidRequest(f'unknown key type "{text}": choose one of {kinds}') from None


def encode_key(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """PKCS#8 PEM; encrypted when a passphrase is given.

    Raises:
        InvalidRequest: the passphrase is shorter or longer than openssl reads.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        if not _SHORTEST_PASSPHRASE <= len(passphrase) <= _LONGEST_PASSPHRASE:
            raise InvalidRequest(
                f"a passphrase has {_SHORTEST_PASSPHRASE} to {_LONGEST_PASSPHRASE} bytes"
            )
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def decode_key(pem: bytes, path: str, passphrase: bytes | None = None) -> PrivateKey:
    """Read a PEM key; a passphrase that an unencrypted key does not need is ignored.

    Args:
        pem: contents of the file.
        path: its name, for messages.
        passphrase: of an encrypted key.

    Raises:
        UnreadableFile: not a key, an unknown kind, encrypted, or the passphrase is wrong.
    """
    try:
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except TypeError:  # the library's word for "a passphrase too many", and for "too few"
            if passphrase is None:
                raise UnreadableFile(path, "the key is encrypted: give its passphrase") from None
            key = serialization.load_pem_private_key(pem, None)
    except UnsupportedAlgorithm as error:
        raise UnreadableFile(path, f"unsupported private key: {error}") from None
    except ValueError:
        why = "not a PEM private key"
        if passphrase is not None:
            why += ", or the passphrase is wrong"
        raise UnreadableFile(path, why) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnreadableFile(path, "unsupported private key: neither RSA nor ECDSA")
    return key


def public_bytes(key: PrivateKey | PublicKey) -> bytes:
    """The public half, comparable: equal bytes mean the same key pair."""
    public = (
        key.public_key() if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else key
    )
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_bytes_of(certificate: x509.Certificate) -> bytes:
    """The public key that a certificate certifies, comparable with `public_bytes`."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
