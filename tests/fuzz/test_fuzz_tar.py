"""Properties of the tar reader and writer."""

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tar_members import members, read, write
from wharfie.formats.tar import FormatError, Kind

SAMPLE_FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@given(st.lists(members(), max_size=6), st.integers(min_value=0))
def test_what_is_written_is_read_whatever_the_chunks(entries, seed) -> None:
    assert read(write(entries), seed=seed) == entries


@given(st.lists(members(), max_size=4))
def test_python_reads_what_we_write(entries) -> None:
    with tarfile.open(fileobj=io.BytesIO(write(entries)), errors="surrogateescape") as archive:
        found = archive.getmembers()
        assert [m.mode for m in found] == [m.mode for m, _ in entries]
        assert [m.uid for m in found] == [m.uid for m, _ in entries]
        for info, (member, content) in zip(found, entries, strict=True):
            if member.kind is Kind.FILE:
                file = archive.extractfile(info)
                assert file is not None
                assert file.read() == content


def sample(format_: int) -> bytes:
    """An archive of every kind of member, made by Python's tarfile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        for number, kind in enumerate(
            (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)
        ):
            info = tarfile.TarInfo(f"{'long/' * 18}name-{number}")
            info.type = kind
            info.linkname = "target" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            info.size = 700 if kind == tarfile.REGTYPE else 0
            info.mtime = 1_700_000_000
            if format_ == tarfile.PAX_FORMAT:
                info.pax_headers = {"SCHILY.xattr.user.x": "y", "mtime": "1.5"}
            archive.addfile(info, io.BytesIO(b"x" * info.size) if info.size else None)
    return buffer.getvalue()


SAMPLES = [sample(format_) for format_ in SAMPLE_FORMATS]


@settings(max_examples=300)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(min_value=0),
    st.booleans(),
)
def test_damage_gives_format_errors_only(archive, changes, seed, repair) -> None:
    damaged = bytearray(archive)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    if repair:
        repair_checksums(damaged)
    with suppress(FormatError):
        read(bytes(damaged), seed=seed)


@settings(max_examples=100)
@given(st.binary(max_size=3000), st.integers(min_value=0))
def test_noise_gives_format_errors_only(noise, seed) -> None:
    with suppress(FormatError):
        read(noise, seed=seed)


@given(st.sampled_from(SAMPLES), st.integers(min_value=1, max_value=4000))
def test_a_cut_archive_is_told(archive, kept) -> None:
    cut = archive[: min(kept, len(archive) - 1024)]
    # Of the padding behind a file nothing need be there, as in Go.
    if len(cut) % 512 and archive[len(cut) : len(cut) + -len(cut) % 512].strip(b"\0"):
        with pytest.raises(FormatError):
            read(cut)


def repair_checksums(archive: bytearray) -> None:
    """Give every block that may be a header a right checksum, to get past that check."""
    for start in range(0, len(archive) - 511, 512):
        block = archive[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            archive[start + 148 : start + 156] = b"%06o\0 " % sum(block)
