"""Image input from strangers: whatever the bytes, an answer or the one expected error."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fake_archiver import FakeArchiver
from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from support.image_archives import config, docker_archive, layout, layout_image, named, tar
from wharfie.drivers.content import LocalContentStore
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.formats.oci.archive import parse_archive_manifest
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.oci.manifest import parse_manifest
from wharfie.formats.reference import InvalidReference, parse_reference
from wharfie.model.errors import InvalidArgument

LAYER = tar({"a": b"1" * 600})
MANIFEST, BLOBS = layout_image([LAYER], config([LAYER]))
ARCHIVES = [docker_archive([LAYER]), layout([named(MANIFEST, "x:1")], BLOBS)]


@given(st.text(max_size=300))
def test_a_reference_that_parses_is_stable(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar()) == reference


@given(st.binary(max_size=2000))
def test_documents_parse_or_are_refused(data: bytes) -> None:
    for parse in (parse_manifest, parse_archive_manifest):
        try:
            parse(data)
        except DocumentError:
            continue


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(ARCHIVES),
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8)), max_size=4),
    st.integers(0, 20_000),
    st.integers(1, 5_000),
)
async def test_a_damaged_archive_is_loaded_whole_or_leaves_nothing(
    archive: bytes, damages: list[tuple[int, bytes]], cut: int, step: int
) -> None:
    data = bytearray(archive)
    for position, junk in damages:
        start = position % len(data)
        data[start : start + len(junk)] = junk
    damaged = bytes(data[: len(data) - cut % len(data)])

    async def source() -> AsyncIterator[bytes]:
        for start in range(0, len(damaged), step):
            yield damaged[start : start + step]

    with tempfile.TemporaryDirectory() as root:
        content, snapshotter = LocalContentStore(root), FakeSnapshotter()
        images = Images(FakeStore(), content, snapshotter, FakeArchiver(), EventBus())
        await images.open(dict)
        try:
            async for _ in images.load(source(), quiet=False):
                pass
        except InvalidArgument:
            assert images.count == 0
            assert not content.digests()
            assert not snapshotter.rows
        assert not snapshotter.filling
        assert len(content.digests()) == 2 * images.count
