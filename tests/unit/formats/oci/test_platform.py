import pytest

from wharfie.formats.oci.descriptor import Descriptor, Platform
from wharfie.formats.oci.platform import (
    InvalidPlatform,
    choose,
    normalize,
    parse_platform,
    rank,
    spell,
)

DIGEST = "sha256:" + "0" * 64
HOST = Platform(os="linux", architecture="amd64", variant="v3")


def offer(spec: str | None, **annotations: str) -> Descriptor:
    platform = None if spec is None else parse_platform(spec, HOST)
    return Descriptor(
        media_type="m",
        digest=DIGEST,
        size=1,
        platform=platform,
        annotations={key.replace("_", "."): value for key, value in annotations.items()},
    )


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("linux", "linux/amd64/v3"),
        ("linux/amd64/v1", "linux/amd64"),
    ],
)
def test_one_spelling_for_one_platform(text: str, spelled: str) -> None:
    assert spell(parse_platform(text, HOST)) == spelled


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux//v1", "li nux/amd64", "linux/amd64\n"])
def test_a_bad_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlatform):
        parse_platform(text, HOST)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "unknown operating system or architecture"),
        ("linux/amd64/v9/x", "cannot parse platform specifier"),
        ("linux/a b", '"a b" is an invalid component of "linux/a b"'),
    ],
)
def test_a_bad_platform_is_refused_in_containerds_words(text: str, why: str) -> None:
    with pytest.raises(InvalidPlatform, match=why):
        parse_platform(text, HOST)


def test_the_best_variant_wins() -> None:
    offers = [offer("linux/arm64"), offer("linux/amd64"), offer("linux/amd64/v2")]
    assert choose(offers, HOST) == offers[2]
    assert choose(offers, Platform(os="linux", architecture="amd64")) == offers[1]


def test_a_higher_level_is_not_offered_to_a_lower_host() -> None:
    assert choose([offer("linux/amd64/v4")], HOST) is None


def test_older_arm_serves_newer() -> None:
    v7 = Platform(os="linux", architecture="arm", variant="v7")
    offers = [offer("linux/arm/v5"), offer("linux/arm/v6")]
    assert choose(offers, v7) == offers[1]
    assert rank(v7, normalize(Platform(os="linux", architecture="arm", variant="v6"))) is None


def test_attestations_are_skipped_and_unlabelled_entries_are_the_last_resort() -> None:
    attestation = offer("unknown/unknown", vnd_docker_reference_type="attestation-manifest")
    plain = offer(None)
    assert choose([attestation, plain], HOST) == plain
    exact = offer("linux/amd64/v3")
    assert choose([attestation, plain, exact], HOST) == exact
    assert choose([attestation], HOST) is None
