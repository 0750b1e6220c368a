"""Manifests: what is spelled is read, and one change stays in one block."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.session import manifest
from wharfie.formats.session.manifest import Entry, ManifestError, blocks, parse_block

NAMES = st.binary(min_size=1, max_size=20).filter(lambda text: b"\0" not in text)


def fields(entry: Entry) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in Entry.__slots__)


@given(NAMES, st.integers(0, 0o7777), st.integers(-(1 << 62), 1 << 62), st.integers(0, 1 << 50))
def test_entries_survive(path: bytes, mode: int, mtime: int, size: int) -> None:
    entry = Entry(manifest.FILE, path, mode=mode, mtime=mtime, size=size, digest="ab" * 32)
    link = Entry(manifest.SYMLINK, path, link=b"to\nhere")
    found = list(parse_block(entry.encode() + link.encode()))
    assert [fields(one) for one in found] == [fields(entry), fields(link)]


def test_one_change_changes_one_block() -> None:
    entries = [Entry(manifest.DIRECTORY, b"d%d" % n) for n in range(3000)]
    before = list(blocks(entries))
    entries[1500] = Entry(manifest.DIRECTORY, b"d1500", mode=0o700)
    after = list(blocks(entries))
    assert len(before) == len(after) > 10
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    del entries[700]
    shorter = list(blocks(entries))
    assert len(set(shorter) - set(after)) <= 1


@pytest.mark.parametrize(
    "block",
    [
        b"x 644 0 0 \0a\0\0",
        b"f 644 0 0 \0a\0\0",
        b"d 644 0 \0a\0\0",
        b"d 644 0 0 \0\0\0",
        b"d 99 0 0 \0a\0\0",
        b"d 644 0 -1 \0a\0\0",
        b"d 644 0 0 \0a\0",
        b"d 644 0 0 \0a\0\0more",
    ],
)
def test_malformed_blocks_are_refused(block: bytes) -> None:
    with pytest.raises(ManifestError):
        list(parse_block(block))


def test_blocks_are_bounded_when_unpacked() -> None:
    assert manifest.decode_block(manifest.encode_block(b"block")[4:]) == b"block"
    with pytest.raises(ManifestError):
        manifest.decode_block(zlib.compress(bytes(manifest.MAX_BLOCK + 1)))
    with pytest.raises(ManifestError):
        manifest.decode_block(b"no zlib")


@given(st.lists(st.integers(0, 2**32 - 1)), st.booleans())
def test_wanted_survives(numbers: list[int], last: bool) -> None:
    message = manifest.encode_wanted(manifest.WANT_FILES, numbers, last=last)
    assert manifest.decode_wanted(message) == (manifest.WANT_FILES, numbers, last)
    with pytest.raises(ManifestError):
        manifest.decode_wanted(b"X" + message[1:])
