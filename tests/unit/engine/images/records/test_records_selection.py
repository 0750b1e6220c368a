from __future__ import annotations

import pytest

from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.selection import is_prunable, nanoseconds_of, select
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import InvalidArgument, NoSuchImage
from wharfie.model.filters import ImageFilters, LabelMatch, PruneFilters
from wharfie.model.ids import ImageId
from wharfie.model.image import Image, ImageConfig, ImageDocument


def made(digits: str, day: int, *tags: str, parent: str = "", **labels: str) -> Image:
    return Image(
        id=ImageId("sha256:" + digits * 64),
        document=ImageDocument(
            created=f"2026-01-{day:02d}T00:00:00Z",
            parent="sha256:" + parent * 64 if parent else "",
            config=ImageConfig(labels=labels),
        ),
        tags=[f"docker.io/{tag}" for tag in tags],
    )


@pytest.fixture
def catalog() -> Catalog:
    catalog = Catalog(Platform(os="linux", architecture="amd64"))
    catalog.put(made("a", 1, "library/base:1", tier="low"))
    catalog.put(made("b", 2, parent="a"))
    catalog.put(made("c", 3, "me/app:1", "me/app:2", "library/x:1", parent="b"))
    catalog.put(made("d", 4))
    return catalog


def shown(catalog: Catalog, *, all_: bool = False, **filters: object) -> str:
    chosen = select(catalog, ImageFilters(**filters), all_=all_, find=catalog.get)  # type: ignore[arg-type]
    return "".join(image.id[7] for image in chosen)


def test_newest_first_without_intermediates(catalog: Catalog) -> None:
    assert shown(catalog) == "dca"
    assert shown(catalog, all_=True) == "dcba"


def test_dangling(catalog: Catalog) -> None:
    assert shown(catalog, dangling=True) == "d"
    assert shown(catalog, dangling=False) == "ca"


def test_before_since_until(catalog: Catalog) -> None:
    assert shown(catalog, before=["me/app:1"]) == "a"
    assert shown(catalog, since=["base:1"]) == "dc"
    assert shown(catalog, until=nanoseconds_of("2026-01-03T00:00:00Z")) == "a"
    with pytest.raises(NoSuchImage):
        shown(catalog, before=["nope"])


def test_labels(catalog: Catalog) -> None:
    assert shown(catalog, labels=[LabelMatch("tier", "low")]) == "a"
    assert shown(catalog, labels=[LabelMatch("tier", "high")]) == ""


def test_references_narrow_the_names_shown(catalog: Catalog) -> None:
    (image,) = select(catalog, ImageFilters(references=["me/*:2"]), all_=False, find=catalog.get)
    assert image.tags == ["docker.io/me/app:2"]
    assert shown(catalog, references=["me/app"]) == "c"
    assert shown(catalog, references=["base", "x"]) == "ca"
    assert shown(catalog, references=["app"]) == ""
    assert shown(catalog, references=["*"]) == "ca"
    with pytest.raises(InvalidArgument):
        shown(catalog, references=["["])


def test_what_a_prune_takes(catalog: Catalog) -> None:
    def taken(filters: PruneFilters) -> str:
        return "".join(i.id[7] for i in catalog if is_prunable(catalog, i, filters))

    assert taken(PruneFilters()) == "d"
    assert taken(PruneFilters(dangling=False)) == "abcd"
    assert taken(PruneFilters(all=True, not_labels=[LabelMatch("tier")])) == "bcd"
    assert taken(PruneFilters(all=True, labels=[LabelMatch("tier")])) == "a"
    assert taken(PruneFilters(all=True, until=nanoseconds_of("2026-01-02T00:00:00Z"))) == "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T01:00:01+01:00", 1_000_000_000),
        ("0001-01-01T00:00:00Z", 0),
        ("", 0),
        ("nonsense", 0),
        ("9999-12-31T23:59:59-23:59", 253402387139_000_000_000),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert nanoseconds_of(text) == expected
