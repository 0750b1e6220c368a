"""A member of an archive, and the events a reader makes of it.

A file is told as its Member, Chunks in ascending order of offset, and an End; any other kind as
its Member alone. Holes of a sparse file are the ranges no Chunk covers.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct, field


class Kind(enum.Enum):
    """What a member is; the value is its ustar type flag."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


class Member(Struct, frozen=True, kw_only=True, gc=False):
    """Name and metadata of a member.

    Attributes:
        path: as stored: may be absolute, hold "..", or end in a slash; no NUL.
        mode: permission bits, set-user-ID, set-group-ID and sticky (0o7777).
        size: bytes of a file's content, holes included; 0 for other kinds.
        mtime: nanoseconds since the epoch; may be negative.
        atime: the same, None when not stored.
        link: target of a symlink, or archive path of a hard link's target.
        device: major and minor number of a device.
        xattrs: extended attributes by name.
        sparse: a file with holes.
    """

    path: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    atime: int | None = None
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    sparse: bool = False


class Chunk(Struct, frozen=True, gc=False):
    """Content of the current file: where it belongs, and a view valid until the next feed."""

    offset: int
    data: memoryview


class End(Struct, frozen=True, gc=False):
    """The current file is complete."""


Event: TypeAlias = Member | Chunk | End
