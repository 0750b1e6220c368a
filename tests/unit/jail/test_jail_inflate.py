"""Every compression, whole, cut, damaged, and as a bomb."""

import bz2
import gzip
import lzma
import os
import tempfile

import pytest
import zstandard

from wharfie.jail.errors import JobError
from wharfie.jail.inflate import CHUNK, GrowingFile, Source, chunks
from wharfie.model.archive import Limits

DATA = os.urandom(100_000) + b"tar" * 200_000
COMPRESSIONS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def inflate(data: bytes, limits: Limits | None = None) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        out = b""
        for chunk in chunks(Source.of(file.fileno()), limits or Limits()):
            assert len(chunk) <= CHUNK
            out += chunk
        return out


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_round_trip(name) -> None:
    assert inflate(COMPRESSIONS[name](DATA)) == DATA


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_concatenated_streams(name) -> None:
    assert inflate(COMPRESSIONS[name](DATA) + COMPRESSIONS[name](b"more")) == DATA + b"more"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_cut_streams_are_told(name) -> None:
    with pytest.raises(JobError, match="truncated"):
        inflate(COMPRESSIONS[name](DATA)[:-5])


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_damage_is_told(name) -> None:
    data = bytearray(COMPRESSIONS[name](DATA))
    data[len(data) // 2] ^= 0xFF
    data[20] ^= 0x55
    with pytest.raises(JobError):
        inflate(bytes(data))


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_zeroes_may_follow_but_no_garbage(name) -> None:
    assert inflate(COMPRESSIONS[name](DATA) + bytes(5000)) == DATA
    with pytest.raises(JobError, match="garbage"):
        inflate(COMPRESSIONS[name](DATA) + b"garbage")


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_bombs_are_stopped(name) -> None:
    bomb = COMPRESSIONS[name](bytes(100 << 20))
    with pytest.raises(JobError, match="compression limit"):
        inflate(bomb, Limits(ratio=50))
    with pytest.raises(JobError, match="limit of 1000000 bytes"):
        inflate(bomb, Limits(size=1_000_000, ratio=1 << 30))


def test_huge_windows_are_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=29, compression_level=1)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    context = compressor.compressobj()
    data = context.compress(b"x" * 1000) + context.flush()
    with pytest.raises(JobError, match="zstd"):
        inflate(data)


def test_nothing_is_an_empty_archive() -> None:
    assert inflate(b"") == b""


def test_a_growing_file_is_read_as_far_as_it_has_come() -> None:
    growth = os.eventfd(0, os.EFD_NONBLOCK)
    with tempfile.TemporaryFile() as file:
        file.write(b"abcdef and what is not told of yet")
        file.flush()
        grown = GrowingFile(file.fileno(), growth, 8)
        os.eventfd_write(growth, 4)
        assert grown.read(3) == b"abc"
        os.eventfd_write(growth, 2)
        assert grown.read(10) == b"d"
        assert grown.read(10) == b"ef"
        with pytest.raises(BlockingIOError):
            grown.read(10)
        os.eventfd_write(growth, 100)
        assert (grown.read(10), grown.read(10)) == (b" a", b"")
    os.close(growth)


def test_a_growing_file_that_is_cut_ends() -> None:
    growth = os.eventfd(0)
    with tempfile.TemporaryFile() as file:
        grown = GrowingFile(file.fileno(), growth, 8)
        os.eventfd_write(growth, 8)
        assert grown.read(10) == b""
    os.close(growth)
