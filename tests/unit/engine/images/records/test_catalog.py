import pytest

from wharfie.engine.images.records.catalog import Catalog
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import AmbiguousReference, InvalidArgument, NoSuchImage, NotFound
from wharfie.model.ids import ImageId
from wharfie.model.image import Image, ImageDocument

HOST = Platform(os="linux", architecture="amd64")
DIGEST = "sha256:" + "d" * 64


def image_id(digits: str) -> ImageId:
    return ImageId("sha256:" + digits.ljust(64, "0"))


def image(digits: str, *tags: str, digests: tuple[str, ...] = ()) -> Image:
    return Image(
        id=image_id(digits),
        document=ImageDocument(os="linux", architecture="amd64"),
        tags=[f"docker.io/library/{tag}" for tag in tags],
        digests=[f"docker.io/library/{digest}" for digest in digests],
    )


def catalog(*images: Image) -> Catalog:
    made = Catalog(HOST)
    for one in images:
        made.put(one)
    return made


@pytest.mark.parametrize(
    "ref",
    [
        "app",
        "app:latest",
        "library/app",
        "docker.io/app",
        f"app@{DIGEST}",
        f"app:whatever@{DIGEST}",
        "abc1",
        "sha256:abc1",
        "abc1".ljust(64, "0"),
        "sha256:" + "abc1".ljust(64, "0"),
    ],
)
def test_ways_to_name_an_image(ref: str) -> None:
    wanted = image("abc1", "app:latest", digests=(f"app@{DIGEST}",))
    assert catalog(wanted, image("def2", "other:latest")).get(ref) == wanted


def test_a_reference_wins_over_an_id_prefix() -> None:
    by_name = image("1", "abc:latest")
    found = catalog(image("abc"), by_name)
    assert found.get("abc") == by_name
    assert found.get("sha256:abc").id == image_id("abc")


def test_a_full_id_wins_over_a_reference_of_the_same_spelling() -> None:
    # `sha256:<hex>` could be read as the repository "sha256" with a tag.
    found = catalog(image("a"))
    assert found.get(image_id("a")).id == image_id("a")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("x", "No such image: x:latest"),
        ("x:1", "No such image: x:1"),
        ("docker.io/library/x", "No such image: x:latest"),
        ("q.io/x", "No such image: q.io/x:latest"),
        (image_id("9"), f"No such image: {image_id('9')}"),
        ("9" * 64, "No such image: sha256:" + "9" * 64),
    ],
)
def test_what_is_missing_is_named_with_its_tag(ref: str, message: str) -> None:
    with pytest.raises(NoSuchImage) as caught:
        catalog(image("a", "app:latest")).get(ref)
    assert str(caught.value) == message


def test_an_ambiguous_prefix_is_told() -> None:
    with pytest.raises(AmbiguousReference):
        catalog(image("ab1"), image("ab2")).get("ab")


@pytest.mark.parametrize("ref", ["", "Foo", "a b", "a:b:c", "../x", "ABC1"])
def test_nonsense_is_refused(ref: str) -> None:
    with pytest.raises(InvalidArgument):
        catalog(image("abc1")).get(ref)


def test_a_name_moves_to_the_newest_image() -> None:
    found = catalog(image("1", "app:latest", "app:1"), image("2", "app:latest"))
    assert found.get("app").id == image_id("2")
    old = found.get("app:1")
    assert old.tags == ["docker.io/library/app:1"]


def test_a_replaced_image_loses_names_it_no_longer_has() -> None:
    found = catalog(image("1", "app:1", "app:2"))
    found.put(image("1", "app:2"))
    with pytest.raises(NoSuchImage):
        found.get("app:1")
    found.drop(image_id("1"))
    with pytest.raises(NoSuchImage):
        found.get("app:2")


def test_platform() -> None:
    found = catalog(image("1", "app:latest"))
    assert found.get("app", platform="linux/amd64")
    with pytest.raises(NotFound) as caught:
        found.get("app", platform="linux/arm64/v8")
    assert str(caught.value) == (
        "image with reference app was found but its platform (linux/amd64) does not match the "
        "specified platform (linux/arm64)"
    )
    with pytest.raises(InvalidArgument):
        found.get("app", platform="a/b/c/d")
