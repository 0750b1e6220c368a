"""Names that stand for what is gone."""

import pytest

from wharfie.formats.tar import FormatError
from wharfie.formats.tar.whiteout import Marker, classify


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"file", (Marker.NONE, b"file")),
        (b".wh", (Marker.NONE, b".wh")),
        (b".wh.file", (Marker.HIDDEN, b"file")),
        (b".wh..hidden", (Marker.HIDDEN, b".hidden")),
        (b".wh..wh..opq", (Marker.OPAQUE, b"")),
        (b".wh..wh.plnk", (Marker.META, b"")),
    ],
)
def test_markers(name, expected) -> None:
    assert classify(name) == expected


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh..."])
def test_nothing_hides_its_own_directory_or_the_parent(name) -> None:
    with pytest.raises(FormatError):
        classify(name)
