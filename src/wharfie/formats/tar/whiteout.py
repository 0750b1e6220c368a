"""Whiteouts: how a layer's archive says that something below is gone.

`.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` hides all they have in that directory.
Other names beginning with `.wh..wh.` were aufs's own and mean nothing.

Source: OCI image spec, "Image Layer Filesystem Changeset", "Whiteouts".
"""

from __future__ import annotations

import enum

from wharfie.formats.tar.errors import FormatError

PREFIX = b".wh."
META_PREFIX = b".wh..wh."
OPAQUE = b".wh..wh..opq"


class Marker(enum.Enum):
    """What a name in a layer's archive stands for."""

    NONE = enum.auto()
    HIDDEN = enum.auto()
    OPAQUE = enum.auto()
    META = enum.auto()


def classify(name: bytes) -> tuple[Marker, bytes]:
    """Tell what the last component of a path stands for, and the name it hides.

    Raises:
        FormatError: it would hide "", "." or "..".
    """
    if not name.startswith(PREFIX):
        return Marker.NONE, name
    if name == OPAQUE:
        return Marker.OPAQUE, b""
    if name.startswith(META_PREFIX):
        return Marker.META, b""
    hidden = name[len(PREFIX) :]
    if hidden in {b"", b".", b".."}:
        raise FormatError(f"invalid whiteout {name.decode(errors='replace')!r}")
    return Marker.HIDDEN, hidden


def is_reserved(name: bytes) -> bool:
    """Tell whether a file of this name cannot be said in a layer's archive."""
    return name.startswith(PREFIX)
