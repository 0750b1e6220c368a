import json

import pytest

from wharfie.formats.oci.archive import (
    LAYOUT,
    ArchivedImage,
    check_layout,
    clean_path,
    encode_archive_manifest,
    parse_archive_manifest,
)
from wharfie.formats.oci.document import DocumentError


def test_paths_are_cleaned() -> None:
    data = json.dumps([{"Config": "./a.json", "RepoTags": None, "Layers": ["x//layer.tar"]}])
    (image,) = parse_archive_manifest(data.encode())
    assert image.config == "a.json"
    assert image.layers == ["x/layer.tar"]
    assert image.repo_tags is None


def test_what_is_written_is_read() -> None:
    images = [ArchivedImage(config="c", repo_tags=["a:b"], layers=["l"])]
    assert parse_archive_manifest(encode_archive_manifest(images)) == images


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", ".", "a\0b", "x" * 5000])
def test_a_path_may_not_leave_the_archive(path: str) -> None:
    with pytest.raises(DocumentError):
        clean_path(path)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [{"Layers": []}],
        [{"Config": "c", "Layers": ["../../x"]}],
        [{"Config": "c", "Layers": ["l"] * 501}],
        [{"Config": "c", "Layers": "l"}],
        [{"Config": "c"}] * 1001,
        [{"Config": "c", "RepoTags": ["t"] * 1001}],
    ],
)
def test_a_bad_manifest_json_is_refused(document: object) -> None:
    with pytest.raises(DocumentError):
        parse_archive_manifest(json.dumps(document).encode())


def test_only_layout_version_1_is_known() -> None:
    check_layout(LAYOUT)
    with pytest.raises(DocumentError):
        check_layout(b'{"imageLayoutVersion":"2.0.0"}')
