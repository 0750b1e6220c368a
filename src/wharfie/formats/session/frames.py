"""Frames of a build session: channels in one stream of bytes.

    0        4      5         7
    | length | kind | channel | payload …        big-endian; length counts the payload

The daemon opens channels (OPEN, payload `service NUL name`), each side sends DATA and says END
when it has no more; FAIL ends a channel in both directions and says why. Chunk boundaries never
matter.
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN, DATA, END, FAIL = 1, 2, 3, 4
KINDS = frozenset({OPEN, DATA, END, FAIL})
MAX_PAYLOAD = 1 << 18
_HEAD = Struct(">IBH")


class FrameError(ValueError):
    """What came is no frame."""


class Frame:
    """One frame."""

    __slots__ = ("channel", "kind", "payload")

    def __init__(self, kind: int, channel: int, payload: bytes = b"") -> None:
        self.kind = kind
        self.channel = channel
        self.payload = payload


def encode(kind: int, channel: int, payload: bytes = b"") -> bytes:
    """Spell one frame; `payload` has at most MAX_PAYLOAD bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame takes {MAX_PAYLOAD} bytes, not {len(payload)}")
    return _HEAD.pack(len(payload), kind, channel) + payload


class Decoder:
    """Splits bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield every frame that `data` completes.

        Raises:
            FrameError: too large, or of no known kind.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            size, kind, channel = _HEAD.unpack_from(self._buffer)
            if size > MAX_PAYLOAD or kind not in KINDS:
                raise FrameError(f"malformed frame: kind {kind}, {size} bytes")
            end = _HEAD.size + size
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            yield Frame(kind, channel, payload)
