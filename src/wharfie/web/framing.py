"""Framing of request bodies: bytes in, body bytes out, and what stands behind the body.

    chunked = *( hex-size [";" extensions] CRLF data CRLF ) "0" CRLF *( trailer CRLF ) CRLF

Bodies are framed here rather than by llhttp because an upgraded or hijacked connection carries
foreign bytes right behind the body, and llhttp does not tell where a body ended.
Source: RFC 9112, sections 6 and 7.1.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from wharfie.web.errors import HttpError

_MAX_LINE = 4096
_MAX_TRAILERS = 65536
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Framing(Protocol):
    """Cuts one body out of a byte stream."""

    @property
    def is_complete(self) -> bool:
        """True once the body's last byte was seen."""

    @property
    def ahead(self) -> int:
        """Bytes of the body that come next with nothing in between."""

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return pieces of the body in `data`, and what stands behind the body's end."""

    def skip(self, size: int) -> None:
        """Take it that `size` bytes, of those ahead, were read by somebody else."""


class LengthFraming:
    """A body of known length."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        """True once the body's last byte was seen."""
        return self._left == 0

    @property
    def ahead(self) -> int:
        """Bytes of the body that come next with nothing in between."""
        return self._left

    def skip(self, size: int) -> None:
        """Take it that `size` bytes, of those ahead, were read by somebody else."""
        self._left -= size

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return pieces of the body in `data`, and what stands behind the body's end."""
        size = len(data)
        if size <= self._left:
            self._left -= size
            return [data], b""
        body, rest = data[: self._left], data[self._left :]
        self._left = 0
        return ([body] if body else []), rest


class _At(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    END = auto()


class ChunkedFraming:
    """A body in chunks; extensions and trailers are dropped."""

    def __init__(self) -> None:
        self._at = _At.SIZE
        self._left = 0
        self._line = b""
        self._trailers = 0

    @property
    def is_complete(self) -> bool:
        """True once the body's last byte was seen."""
        return self._at is _At.END

    @property
    def ahead(self) -> int:
        """Bytes of the body that come next with nothing in between."""
        return self._left if self._at is _At.DATA else 0

    def skip(self, size: int) -> None:
        """Take it that `size` bytes, of those ahead, were read by somebody else."""
        self._left -= size
        if self._left == 0:
            self._at = _At.DATA_END

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return pieces of the body in `data`, and what stands behind the body's end.

        Raises:
            HttpError: malformed chunks.
        """
        pieces: list[bytes] = []
        if self._line:
            data, self._line = self._line + data, b""
        position, size = 0, len(data)
        while position < size and self._at is not _At.END:
            if self._at is _At.DATA:
                end = min(size, position + self._left)
                pieces.append(data[position:end])
                self._left -= end - position
                position = end
                if self._left == 0:
                    self._at = _At.DATA_END
                continue
            end = data.find(b"\n", position)
            if end < 0:
                self._line = data[position:]
                if len(self._line) > _MAX_LINE:
                    raise HttpError(400, "chunk line too long")
                return pieces, b""
            self._take_line(data[position:end])
            position = end + 1
        return pieces, data[position:]

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(b"\r"):
            raise HttpError(400, "malformed chunked encoding")
        line = line[:-1]
        if b"\r" in line or b"\0" in line:
            # Other readers end lines there.
            raise HttpError(400, "malformed chunked encoding")
        if self._at is _At.SIZE:
            self._left = _parse_size(line)
            self._at = _At.DATA if self._left else _At.TRAILER
        elif self._at is _At.DATA_END:
            if line:
                raise HttpError(400, "malformed chunked encoding")
            self._at = _At.SIZE
        elif not line:
            self._at = _At.END
        else:
            self._trailers += len(line)
            if self._trailers > _MAX_TRAILERS:
                raise HttpError(400, "trailers too long")


def _parse_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > 16 or not _HEX.issuperset(digits):
        raise HttpError(400, "malformed chunk size")
    return int(digits, 16)
