"""Bytes of an archive, decompressed: gzip, bzip2, xz and zstd told by their first bytes.

Nothing is ever held whole: each step yields at most CHUNK bytes, however well it was compressed,
and windows beyond 128 MiB (what `zstd --long` makes) are refused.
"""

from __future__ import annotations

import bz2
import lzma
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Protocol, cast

import zstandard
from isal import igzip_lib

from wharfie.jail.errors import JobError, invalid
from wharfie.model.archive import Limits

CHUNK = 1 << 20
_READ = CHUNK
_MAX_WINDOW = 1 << 27
_MAX_XZ_MEMORY = 200 << 20
_RATIO_SLACK = 32 << 20
_MAGIC_SIZE = 6
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_STREAM_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    lzma.LZMAError,
    cast(type[Exception], igzip_lib.IsalError),  # its stub calls it an instance
)


class _Inflater(Protocol):
    """What bz2, lzma and isal have in common."""

    @property
    def eof(self) -> bool:
        """The stream is complete."""

    @property
    def needs_input(self) -> bool:
        """Nothing more to give without more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take input, give at most `max_length` bytes."""


class GrowingFile:
    """A file somebody else still writes, of which only what is there is read.

    Args:
        fd: of the file.
        growth: an eventfd; what is added to it are the bytes added to the file's beginning.
        size: of the whole file.
    """

    def __init__(self, fd: int, growth: int, size: int) -> None:
        self._fd = fd
        self._growth = growth
        self._size = size
        self._known = 0
        self._position = 0

    def read(self, size: int) -> bytes:
        """The next bytes, waiting for them; b"" at the end of the whole file."""
        if self._position == self._size:
            return b""
        while self._known <= self._position:
            self._known += os.eventfd_read(self._growth)
        end = min(self._position + size, self._known, self._size)
        data = os.pread(self._fd, end - self._position, self._position)
        self._position = self._position + len(data) if data else self._size
        return data


class Source:
    """The data descriptor: reads, counts, and can put the first bytes back."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._head = b""
        self.count = 0

    @classmethod
    def of(cls, fd: int) -> Source:
        """Of all that a descriptor holds."""
        return cls(partial(os.read, fd))

    def peek(self, size: int) -> bytes:
        """The first bytes, fewer only when there are no more."""
        while len(self._head) < size:
            more = self._read(_READ)
            if not more:
                break
            self._head += more
        return self._head[:size]

    @property
    def is_plain(self) -> bool:
        """Nothing that is read of it is compressed."""
        magic = self.peek(_MAGIC_SIZE)
        return not (magic.startswith((_GZIP, _BZIP2, _XZ, _ZSTD)) or _is_skippable_frame(magic))

    def read(self, size: int = _READ) -> bytes:
        """The next bytes, b"" at the end."""
        if self._head:
            data, self._head = self._head, b""
        else:
            data = self._read(size)
        self.count += len(data)
        return data


def chunks(source: Source, limits: Limits) -> Iterator[bytes]:
    """Decompress what a source holds.

    Raises:
        JobError: damaged, truncated, or larger than the limits allow.
    """
    total = 0
    for chunk in _inflate(source):
        total += len(chunk)
        if total > limits.size:
            raise invalid(f"archive exceeds the limit of {limits.size} bytes")
        if total > source.count * limits.ratio + _RATIO_SLACK:
            raise invalid(f"archive exceeds the compression limit of {limits.ratio}:1")
        yield chunk


def _inflate(source: Source) -> Iterator[bytes]:
    magic = source.peek(_MAGIC_SIZE)
    if magic.startswith(_GZIP):
        return _streams(source, _gzip, "gzip", _GZIP)
    if magic.startswith(_BZIP2):
        return _streams(source, bz2.BZ2Decompressor, "bzip2", _BZIP2)
    if magic.startswith(_XZ):
        return _streams(source, _xz, "xz", _XZ)
    if magic.startswith(_ZSTD) or _is_skippable_frame(magic):
        return _zstd(source)
    return iter(source.read, b"")


def _is_skippable_frame(magic: bytes) -> bool:
    return len(magic) >= 4 and magic[1:4] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F


def _gzip() -> _Inflater:
    inflater: _Inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return inflater


def _xz() -> _Inflater:
    return lzma.LZMADecompressor(memlimit=_MAX_XZ_MEMORY)


def _streams(
    source: Source, make: Callable[[], _Inflater], name: str, magic: bytes
) -> Iterator[bytes]:
    """Concatenated streams of one kind; zeroes may follow the last one."""
    data = source.read()
    while data:
        inflater = make()
        while not inflater.eof:
            try:
                chunk = inflater.decompress(data, CHUNK)
            except _STREAM_ERRORS as error:
                raise _damaged(name, error) from error
            data = b""
            if chunk:
                yield chunk
            elif not inflater.eof and inflater.needs_input:
                data = source.read()
                if not data:
                    raise invalid(f"unexpected EOF: the {name} stream is truncated")
        data = inflater.unused_data or source.read()
        while data and len(data) < len(magic):
            more = source.read()
            if not more:
                break
            data += more
        if data and not data.startswith(magic):
            _expect_zeroes(source, data, name)
            return


def _expect_zeroes(source: Source, data: bytes, name: str) -> None:
    while data:
        if data.strip(b"\0"):
            raise invalid(f"garbage after the {name} stream")
        data = source.read()


def _zstd(source: Source) -> Iterator[bytes]:
    context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    # zstandard asks for no more of a file than read(); its annotation wants a whole IO.
    file = cast(IO[bytes], source)
    reader = context.stream_reader(file, read_size=_READ, read_across_frames=True)
    while True:
        try:
            chunk = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise _damaged("zstd", error) from error
        if not chunk:
            return
        yield chunk


def _damaged(name: str, error: Exception) -> JobError:
    return invalid(f"invalid {name} stream: {error}")
