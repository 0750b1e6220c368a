"""Private keys: made, written as PEM, read back.

Written as PKCS#8, which openssl, Go and Python all read; read also in the older forms that
`openssl genrsa` writes, encrypted or not.
"""

from __future__ import annotations

from enum import StrEnum

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
    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P521 = "ecdsa-p521"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"


_CURVES: dict[KeyType, ec.EllipticCurve] = {
    KeyType.ECDSA_P256: ec.SECP256R1(),
    KeyType.ECDSA_P384: ec.SECP384R1(),
    KeyType.ECDSA_P521: ec.SECP521R1(),
}
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}


def generate_key(kind: KeyType) -> PrivateKey:
    """Make a new key. An RSA 4096 key takes about a second of CPU: not on an event loop."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    return rsa.generate_private_key(65537, _RSA_BITS[kind])


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
