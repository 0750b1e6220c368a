"""A tar archive as events: bytes in, members and their content out.

The state is what the next bytes are: a header block, the body of a special member (PAX records,
GNU long names), more sparse map, content, padding, or whatever follows the end.

What is tolerated follows Go's archive/tar, by which images are made and read: an archive may end
without its two blocks of zeroes, even without the padding of its last file (docker build -f -
sends such), sizes of members that hold no content are ignored, and so are
global PAX records.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from wharfie.formats.tar import pax, sparse
from wharfie.formats.tar.errors import FormatError
from wharfie.formats.tar.header import BLOCK, Header, parse_header
from wharfie.formats.tar.member import Chunk, End, Event, Kind, Member

MAX_SPECIAL = 1 << 20
"""Bytes a long name or a set of PAX records may take, as in Go."""

_SPECIAL = {b"x", b"g", b"L", b"K", b"V"}
_KINDS = {kind.value: kind for kind in Kind} | {b"\0": Kind.FILE, b"7": Kind.FILE, b"S": Kind.FILE}
_GNU_SPARSE = b"S"
_NANOSECONDS = 1_000_000_000
_MAX_ID = (1 << 32) - 2
_END = End()


class _State(enum.Enum):
    HEADER = enum.auto()
    SPECIAL = enum.auto()
    SPARSE_BLOCK = enum.auto()
    SPARSE_MAP = enum.auto()
    CONTENT = enum.auto()
    PADDING = enum.auto()
    ENDED = enum.auto()


class Reader:
    """Turns chunks of an archive into events, whatever the chunk boundaries."""

    def __init__(self) -> None:
        self._state = _State.HEADER
        self._buffer = bytearray()
        self._wanted = BLOCK
        self._left = 0  # bytes of content (without padding) or of padding still to come
        self._padding = 0
        self._special = b""
        self._header: Header | None = None
        self._records: list[tuple[bytes, bytes]] = []
        self._long_path: bytes | None = None
        self._long_link: bytes | None = None
        self._ranges: sparse.SparseMap = []
        self._map = sparse.MapDecoder()
        self._offset = 0
        self._range = 0
        self._zero_blocks = 0

    @property
    def ended(self) -> bool:
        """The end-of-archive marker was read; what follows is ignored."""
        return self._state is _State.ENDED

    @property
    def ahead(self) -> int:
        """Bytes of the current file's content that come next in one piece; 0 when others do."""
        return self._left if self._state is _State.CONTENT and len(self._ranges) == 1 else 0

    @property
    def offset(self) -> int:
        """Where in the file the bytes ahead belong."""
        return self._offset

    def skip(self, size: int) -> bool:
        """Take it that the next `size` bytes, of those `ahead`, went into the file by themselves.

        Returns:
            True when they were its last: the End that no `feed` tells.
        """
        self._offset += size
        self._left -= size
        if self._left:
            return False
        self._end_content()
        return True

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """Yield every event completed by `data`; exhaust it before feeding more.

        Raises:
            FormatError: damaged or unsupported; the reader is of no use after.
        """
        view = memoryview(data)
        position, length = 0, len(view)
        while position < length:
            state = self._state
            if state is _State.CONTENT:
                taken = min(self._left, length - position)
                content = view[position : position + taken]
                if len(self._ranges) == 1:
                    yield Chunk(self._offset, content)
                    self._offset += taken
                else:
                    yield from self._sparse_content(content)
                self._left -= taken
                if not self._left:
                    self._end_content()
                    yield _END
            elif state is _State.PADDING:
                taken = min(self._left, length - position)
                self._left -= taken
                if not self._left:
                    self._state = _State.HEADER
            elif state is _State.ENDED:
                return
            else:
                taken = min(self._wanted - len(self._buffer), length - position)
                if taken == self._wanted:
                    yield from self._collected(bytes(view[position : position + taken]))
                else:
                    self._buffer += view[position : position + taken]
                    if len(self._buffer) == self._wanted:
                        block = bytes(self._buffer)
                        self._buffer.clear()
                        yield from self._collected(block)
            position += taken

    def close(self) -> None:
        """Tell that nothing follows.

        Raises:
            FormatError: the archive stops in the middle of something.
        """
        if self._state in {_State.ENDED, _State.PADDING}:
            return
        pending = self._records or self._long_path is not None or self._long_link is not None
        if self._state is not _State.HEADER or self._buffer or pending:
            raise FormatError("unexpected EOF: the archive is truncated")

    def _collected(self, block: bytes) -> tuple[Event, ...]:
        match self._state:
            case _State.HEADER:
                return self._on_header(block)
            case _State.SPECIAL:
                self._on_special(block)
                return ()
            case _State.SPARSE_BLOCK:
                return self._on_sparse_block(block)
            case _State.SPARSE_MAP:
                return self._on_sparse_map(block)
            case _:
                raise AssertionError(self._state)

    def _on_header(self, block: bytes) -> tuple[Event, ...]:
        header = parse_header(block)
        if header is None:
            self._zero_blocks += 1
            if self._zero_blocks == 2:
                self._state = _State.ENDED
            return ()
        if self._zero_blocks:
            raise FormatError("invalid tar header: data after an empty block")
        if header.type_flag in _SPECIAL:
            self._begin_special(header)
            return ()
        self._header = header
        if header.type_flag == _GNU_SPARSE:
            self._ranges, more = sparse.parse_block(block, in_header=True)
            if more:
                self._state = _State.SPARSE_BLOCK
                return ()
        return self._begin_member(header)

    def _begin_special(self, header: Header) -> None:
        if header.size > MAX_SPECIAL:
            raise FormatError("invalid tar header: extended header too large")
        self._special = header.type_flag
        self._left = header.size
        if header.size:
            self._wanted = header.size + -header.size % BLOCK
            self._state = _State.SPECIAL
        else:
            self._on_special(b"")

    def _on_special(self, block: bytes) -> None:
        body = block[: self._left]
        self._wanted = BLOCK
        self._state = _State.HEADER
        if self._special == b"x":
            self._records = pax.parse_records(body)
        elif self._special == b"L":
            self._long_path = body.partition(b"\0")[0]
        elif self._special == b"K":
            self._long_link = body.partition(b"\0")[0]
        elif self._special == b"g":
            pax.parse_records(body)

    def _on_sparse_block(self, block: bytes) -> tuple[Event, ...]:
        assert self._header is not None
        ranges, more = sparse.parse_block(block, in_header=False)
        self._ranges += ranges
        if len(self._ranges) > sparse.MAX_RANGES:
            raise FormatError("invalid sparse map: too many ranges")
        if not more:
            self._state = _State.HEADER
            return self._begin_member(self._header)
        return ()

    def _begin_member(self, header: Header) -> tuple[Event, ...]:
        records = dict(self._records)
        member = self._build(header, records)
        if member.kind is not Kind.FILE:
            self._forget_names()
            return (member,)
        stored = _integer(records, b"size", header.size)
        if records.get(b"GNU.sparse.major") == b"1" and records.get(b"GNU.sparse.minor") == b"0":
            self._left = stored
            self._padding = -stored % BLOCK
            self._map = sparse.MapDecoder()
            self._state = _State.SPARSE_MAP
            if stored < BLOCK:
                raise FormatError("invalid sparse map: missing")
            return ()
        if header.type_flag != _GNU_SPARSE:
            ranges = sparse.parse_records(self._records)
            self._ranges = [(0, stored)] if ranges is None else ranges
        return self._begin_content(member, stored, -stored % BLOCK)

    def _on_sparse_map(self, block: bytes) -> tuple[Event, ...]:
        assert self._header is not None
        self._left -= BLOCK
        ranges = self._map.feed(block)
        if ranges is not None:
            self._ranges = ranges
            member = self._build(self._header, dict(self._records))
            return self._begin_content(member, self._left, self._padding)
        if self._left < BLOCK:
            raise FormatError("invalid sparse map: it does not end")
        return ()

    def _begin_content(self, member: Member, stored: int, padding: int) -> tuple[Event, ...]:
        self._ranges = sparse.check(self._ranges, size=member.size, stored=stored)
        self._forget_names()
        self._left, self._padding = stored, padding
        self._range = 0
        self._offset = self._ranges[0][0] if self._ranges else 0
        self._state = _State.CONTENT
        if stored:
            return (member,)
        self._end_content()
        return (member, _END)

    def _sparse_content(self, data: memoryview) -> Iterator[Event]:
        while data:
            start, length = self._ranges[self._range]
            room = start + length - self._offset
            part = data[:room]
            yield Chunk(self._offset, part)
            self._offset += len(part)
            data = data[room:]
            if len(part) == room and self._range + 1 < len(self._ranges):
                self._range += 1
                self._offset = self._ranges[self._range][0]

    def _end_content(self) -> None:
        self._left = self._padding
        self._state = _State.PADDING if self._padding else _State.HEADER

    def _forget_names(self) -> None:
        self._records = []
        self._long_path = self._long_link = None

    def _build(self, header: Header, records: dict[bytes, bytes]) -> Member:
        kind = _KINDS.get(header.type_flag)
        if kind is None:
            raise FormatError(f"unsupported tar entry type {header.type_flag!r}")
        path = header.path if self._long_path is None else self._long_path
        link = header.link if self._long_link is None else self._long_link
        if records:
            path = records.get(b"GNU.sparse.name") or records.get(b"path") or path
            link = records.get(b"linkpath") or link
        if b"\0" in path or b"\0" in link:
            raise FormatError("invalid PAX record: NUL in a name")
        if header.type_flag == b"\0" and path.endswith(b"/"):
            kind = Kind.DIRECTORY  # how archives before POSIX told directories
        mtime = _time(records, b"mtime")
        is_sparse = header.type_flag == _GNU_SPARSE or b"GNU.sparse.major" in records
        return Member(
            path=path,
            kind=kind,
            mode=header.mode,
            uid=_identity(_integer(records, b"uid", header.uid)),
            gid=_identity(_integer(records, b"gid", header.gid)),
            size=_size(header, records) if kind is Kind.FILE else 0,
            mtime=header.mtime * _NANOSECONDS if mtime is None else mtime,
            atime=_time(records, b"atime"),
            link=link,
            device=(header.major, header.minor),
            xattrs=_xattrs(records) if records else {},
            sparse=is_sparse or b"GNU.sparse.size" in records,
        )


def _size(header: Header, records: dict[bytes, bytes]) -> int:
    if header.type_flag == _GNU_SPARSE:
        return sparse.parse_real_size(header.block)
    for keyword in (b"GNU.sparse.realsize", b"GNU.sparse.size"):
        if records.get(keyword):
            return _integer(records, keyword, 0)
    return _integer(records, b"size", header.size)


def _integer(records: dict[bytes, bytes], keyword: bytes, default: int) -> int:
    value = records.get(keyword)
    return pax.parse_integer(value, keyword.decode()) if value else default


def _identity(value: int) -> int:
    if value > _MAX_ID:
        raise FormatError("invalid tar header: owner out of range")
    return value


def _time(records: dict[bytes, bytes], keyword: bytes) -> int | None:
    value = records.get(keyword)
    return pax.parse_time(value) if value else None


def _xattrs(records: dict[bytes, bytes]) -> dict[str, bytes]:
    prefix = pax.XATTR_PREFIX
    return {
        keyword[len(prefix) :].decode(errors="surrogateescape"): value
        for keyword, value in records.items()
        if keyword.startswith(prefix)
    }
