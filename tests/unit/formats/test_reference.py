import pytest

from wharfie.formats.reference import (
    InvalidReference,
    familiar,
    is_tag,
    parse_familiar,
    parse_reference,
)

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("typed", "canonical", "shown"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox:x", "docker.io/library/busybox:x", "busybox:x"),
        ("u/x", "docker.io/u/x", "u/x"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:T", "localhost:5000/x:T", "localhost:5000/x:T"),
        ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
        ("Host/x", "Host/x", "Host/x"),
        ("quay.io/a__b/c-d.e", "quay.io/a__b/c-d.e", "quay.io/a__b/c-d.e"),
        (f"x@{DIGEST}", f"docker.io/library/x@{DIGEST}", f"x@{DIGEST}"),
        (f"x:1@{DIGEST}", f"docker.io/library/x:1@{DIGEST}", f"x:1@{DIGEST}"),
    ],
)
def test_both_forms(typed: str, canonical: str, shown: str) -> None:
    reference = parse_reference(typed)
    assert str(reference) == canonical
    assert reference.familiar() == shown
    assert familiar(canonical) == shown
    assert parse_reference(canonical) == reference


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "invalid reference format"),
        ("x:", "invalid reference format"),
        (":x", "invalid reference format"),
        ("x y", "invalid reference format"),
        ("x\n", "invalid reference format"),
        ("x:é", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/./b", "invalid reference format"),
        ("../x", "invalid reference format"),
        ("x:" + "t" * 129, "invalid reference format"),
        ("x@sha256:abc", "invalid reference format"),
        ("x@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("x@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("Foo", "invalid reference format: repository name (library/Foo) must be lowercase"),
        ("u/Foo:1", "invalid reference format: repository name (u/Foo) must be lowercase"),
        (
            HEX,
            f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings",
        ),
        ("e.com/" + "a" * 256, "repository name must not be more than 255 characters"),
        ("a/" * 5000, "invalid reference format"),
    ],
)
def test_a_bad_reference_is_refused_in_dockers_words(typed: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_reference(typed)
    assert str(caught.value) == message
    assert parse_familiar(typed) is None


def test_the_limit_counts_the_path_alone() -> None:
    assert parse_reference("e.com/" + "a" * 255).path == "a" * 255


def test_the_default_tag_is_added_to_bare_names_only() -> None:
    assert parse_reference("x").tagged().familiar() == "x:latest"
    assert parse_reference("x:1").tagged().familiar() == "x:1"
    assert parse_reference(f"x@{DIGEST}").tagged().familiar() == f"x@{DIGEST}"


def test_tags() -> None:
    assert is_tag("v1.2-rc_3")
    assert not is_tag("-x")
    assert not is_tag("x\n")
    assert not is_tag("")
