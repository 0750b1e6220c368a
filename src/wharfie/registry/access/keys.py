"""Keys that sign tokens, and keys that signatures are checked with.

Only keys the operator put into files count: certificates of a bundle, or a JWK set. A key that a
token brings along, a certificate chain in its header, a symmetric algorithm or none at all is
never used. Which algorithm fits follows from the key, and must be the one the token names.

Source: RFC 7517, RFC 7518 sections 3 and 6; libtrust's key IDs, which token servers written for
Docker's registry use as `kid`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from msgspec import Struct

from wharfie.formats.jws import (
    Jws,
    JwsError,
    decode_base64url,
    encode_base64url,
    join_signature,
    signing_input,
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: dict[str, tuple[str, type[ec.EllipticCurve], int]] = {
    "secp256r1": ("ES256", ec.SECP256R1, 32),
    "secp384r1": ("ES384", ec.SECP384R1, 48),
    "secp521r1": ("ES512", ec.SECP521R1, 66),
}
_JWK_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_SHORTEST_RSA = 2048
_MOST_KEYS = 64


class InvalidKeys(ValueError):
    """A file of keys cannot be used; the text names it."""


class BadSignature(ValueError):
    """No trusted key made this signature."""


class TrustedKey(Struct, frozen=True):
    """A public key, and the names tokens may call it by."""

    key: PublicKey
    names: frozenset[str]


class _Jwk(Struct, frozen=True):
    kty: str
    kid: str = ""
    use: str = "sig"
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""


class _JwkSet(Struct, frozen=True):
    keys: list[_Jwk]


class KeyRing:
    """The keys that tokens are checked with.

    Args:
        keys: all that are trusted.
        algorithms: names of those admitted.
    """

    def __init__(self, keys: Iterable[TrustedKey], algorithms: Sequence[str] = ALGORITHMS) -> None:
        self._keys = list(keys)
        self._algorithms = frozenset(algorithms) & frozenset(ALGORITHMS)

    def verify(self, jws: Jws) -> None:
        """Check a signature.

        Raises:
            BadSignature: it is of none of the keys, or of another algorithm than the key's.
        """
        algorithm = jws.header.alg
        if algorithm not in self._algorithms:
            raise BadSignature("the token's algorithm is not admitted")
        named = [one for one in self._keys if jws.header.kid in one.names]
        # A name we compute otherwise than the signer does is no reason to refuse: all are trusted.
        for trusted in named or self._keys:
            if _fits(trusted.key, algorithm) and _is_signed(trusted.key, algorithm, jws):
                return
        raise BadSignature("the token is not signed by a trusted key")


class Signer:
    """Signs tokens with an ECDSA key on P-256."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.trusted = trusted_key(key.public_key())
        self._kid = libtrust_id(key.public_key())

    def sign(self, payload: bytes) -> str:
        """A token with this payload."""
        signed = signing_input({"typ": "JWT", "alg": "ES256", "kid": self._kid}, payload)
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return join_signature(signed, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def open_signer(path: str) -> Signer:
    """The key in a file; a missing file is written, readable by its owner alone.

    Raises:
        InvalidKeys: the file holds something else, or cannot be written.
    """
    try:
        if not os.path.exists(path):
            _write_key(path)
        with open(path, "rb") as file:
            key = serialization.load_pem_private_key(file.read(1 << 16), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKeys(f"cannot use the token key {path}: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidKeys(f"cannot use the token key {path}: an ECDSA key on P-256 is needed")
    return Signer(key)


def read_bundle(path: str) -> list[TrustedKey]:
    """The keys of a file of PEM certificates or PEM public keys.

    Raises:
        InvalidKeys: it cannot be read, or has none.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
        if b"BEGIN CERTIFICATE" in data:
            certificates = x509.load_pem_x509_certificates(data)
            public: list[object] = [one.public_key() for one in certificates]
        else:
            public = [serialization.load_pem_public_key(data)]
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKeys(f"cannot use the keys in {path}: {error}") from None
    return [trusted_key(_checked(one, path)) for one in public[:_MOST_KEYS]]


def read_jwks(path: str) -> list[TrustedKey]:
    """The keys of a JWK set.

    Raises:
        InvalidKeys: it cannot be read, has none, or has symmetric keys.
    """
    try:
        with open(path, "rb") as file:
            found = msgspec.json.decode(file.read(1 << 20), type=_JwkSet)
        keys = [
            trusted_key(_checked(_of_jwk(one), path), one.kid)
            for one in found.keys[:_MOST_KEYS]
            if one.use == "sig"
        ]
    except (OSError, ValueError, JwsError, UnsupportedAlgorithm) as error:
        raise InvalidKeys(f"cannot use the keys in {path}: {error}") from None
    if not keys:
        raise InvalidKeys(f"cannot use the keys in {path}: there are none")
    return keys


def trusted_key(key: PublicKey, name: str = "") -> TrustedKey:
    """A key under its own name and those it is commonly called by."""
    names = {libtrust_id(key), thumbprint(key), name} - {""}
    return TrustedKey(key, frozenset(names))


def libtrust_id(key: PublicKey) -> str:
    """`ABCD:EFGH:…`: a key's name where it was made by Docker's libtrust."""
    digest = hashlib.sha256(_der(key)).digest()[:30]
    text = base64.b32encode(digest).decode("ascii").rstrip("=")
    return ":".join(text[at : at + 4] for at in range(0, 48, 4))


def thumbprint(key: PublicKey) -> str:
    """A key's name by RFC 7638."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        members = {"e": _of_int(numbers.e), "kty": "RSA", "n": _of_int(numbers.n)}
    else:
        point, size = key.public_numbers(), _CURVES[key.curve.name][2]
        name = next(k for k, v in _JWK_CURVES.items() if v.name == key.curve.name)
        members = {
            "crv": name,
            "kty": "EC",
            "x": encode_base64url(point.x.to_bytes(size, "big")),
            "y": encode_base64url(point.y.to_bytes(size, "big")),
        }
    return encode_base64url(hashlib.sha256(msgspec.json.encode(members)).digest())


def _fits(key: PublicKey, algorithm: str) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return algorithm[:2] in ("RS", "PS")
    return _CURVES[key.curve.name][0] == algorithm


def _is_signed(key: PublicKey, algorithm: str, jws: Jws) -> bool:
    digest = _HASHES[algorithm[2:]]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            how: padding.AsymmetricPadding = padding.PKCS1v15()
            if algorithm.startswith("PS"):
                how = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            key.verify(jws.signature, jws.signed, how, digest)
            return True
        size = _CURVES[key.curve.name][2]
        if len(jws.signature) != 2 * size:
            return False
        r, s = (int.from_bytes(p, "big") for p in (jws.signature[:size], jws.signature[size:]))
        key.verify(encode_dss_signature(r, s), jws.signed, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def _of_jwk(jwk: _Jwk) -> object:
    if jwk.kty == "RSA":
        return rsa.RSAPublicNumbers(_to_int(jwk.e), _to_int(jwk.n)).public_key()
    if jwk.kty == "EC" and jwk.crv in _JWK_CURVES:
        curve = _JWK_CURVES[jwk.crv]
        return ec.EllipticCurvePublicNumbers(_to_int(jwk.x), _to_int(jwk.y), curve).public_key()
    raise InvalidKeys(f"a key of kind {jwk.kty[:20]!r} does not verify tokens here")


def _checked(key: object, path: str) -> PublicKey:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SHORTEST_RSA:
            raise InvalidKeys(f"{path} has an RSA key of {key.key_size} bits, too short to trust")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    raise InvalidKeys(f"{path} has a key that is neither RSA nor ECDSA on a NIST curve")


def _write_key(path: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fresh = f"{path}.{os.getpid()}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, pem)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(fresh, path)  # whoever was first keeps its key
    except FileExistsError:
        pass
    finally:
        os.unlink(fresh)


def _der(key: PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _to_int(text: str) -> int:
    return int.from_bytes(decode_base64url(text), "big")


def _of_int(number: int) -> str:
    return encode_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
