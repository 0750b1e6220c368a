import pytest

from wharfie.formats.digest import (
    DigestError,
    hex_of,
    parse_digest,
    parse_sha256,
    sha256_digest,
)

HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_empty_bytes_have_the_known_digest() -> None:
    assert sha256_digest(b"") == f"sha256:{HEX}"
    assert hex_of(sha256_digest(b"")) == HEX


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid checksum digest format"),
        (HEX, "invalid checksum digest format"),
        (f"sha256:{HEX}\n", "invalid checksum digest format"),
        (f"sha256:{HEX[:-1]}", "invalid checksum digest length"),
        (f"sha256:{HEX.upper()}", "invalid checksum digest format"),
        ("md5:" + "0" * 32, "unsupported digest algorithm"),
        ("sha256:../../etc/passwd", "invalid checksum digest format"),
        ("a" * 5000 + ":00", "invalid checksum digest format"),
    ],
)
def test_a_bad_digest_is_refused(text: str, message: str) -> None:
    with pytest.raises(DigestError, match=message):
        parse_digest(text)


def test_only_sha256_names_blobs() -> None:
    assert parse_digest("sha512:" + "0" * 128)
    with pytest.raises(DigestError):
        parse_sha256("sha512:" + "0" * 128)
