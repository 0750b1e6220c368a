import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from wharfie.pki.errors import InvalidRequest, UnreadableFile
from wharfie.pki.keys import (
    KeyType,
    decode_key,
    encode_key,
    generate_key,
    parse_key_type,
    public_bytes,
)


@pytest.mark.parametrize("kind", list(KeyType))
def test_a_key_survives_its_file(kind: KeyType) -> None:
    key = generate_key(kind)
    assert public_bytes(decode_key(encode_key(key), "k")) == public_bytes(key)


@pytest.mark.parametrize(("kind", "bits"), [(KeyType.RSA_2048, 2048), (KeyType.RSA_4096, 4096)])
def test_an_rsa_key_has_the_size_asked_for(kind: KeyType, bits: int) -> None:
    key = generate_key(kind)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == bits


@pytest.mark.parametrize("text", ["ed25519", "rsa-1024", "", "RSA-2048"])
def test_an_unknown_kind_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="ecdsa-p256"):
        parse_key_type(text)


def test_short_names_mean_the_usual_sizes() -> None:
    assert parse_key_type("rsa") is KeyType.RSA_4096
    assert parse_key_type("ecdsa") is KeyType.ECDSA_P256
    assert parse_key_type("rsa-2048") is KeyType.RSA_2048


def test_an_encrypted_key_needs_its_passphrase() -> None:
    key = generate_key(KeyType.ECDSA_P256)
    pem = encode_key(key, b"secret")
    assert b"ENCRYPTED" in pem
    assert public_bytes(decode_key(pem, "k", b"secret")) == public_bytes(key)
    with pytest.raises(UnreadableFile, match="passphrase"):
        decode_key(pem, "k")
    with pytest.raises(UnreadableFile, match="passphrase is wrong"):
        decode_key(pem, "k", b"Secret")


def test_a_needless_passphrase_does_no_harm() -> None:
    key = generate_key(KeyType.ECDSA_P256)
    assert public_bytes(decode_key(encode_key(key), "k", b"secret")) == public_bytes(key)


@pytest.mark.parametrize("passphrase", [b"", b"abc", b"x" * 1024])
def test_a_passphrase_openssl_could_not_read_is_refused(passphrase: bytes) -> None:
    with pytest.raises(InvalidRequest):
        encode_key(generate_key(KeyType.ECDSA_P256), passphrase)


def test_the_older_form_of_openssl_is_read() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert b"Proc-Type: 4,ENCRYPTED" in pem
    assert public_bytes(decode_key(pem, "k", b"secret")) == public_bytes(key)


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\0"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(UnreadableFile, match="k: not a PEM private key"):
        decode_key(pem, "k")


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), dsa.generate_private_key(2048)]
)
def test_other_kinds_of_keys_are_refused(
    key: ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey,
) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(UnreadableFile, match="neither RSA nor ECDSA"):
        decode_key(pem, "k")


def test_ecdsa_keys_lie_on_p256() -> None:
    key = generate_key(KeyType.ECDSA_P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
