"""Frames of a multiplexed attach or logs stream: bytes in, frames out.

A frame is an 8-byte header (stream number, three zero bytes, big-endian payload length) and its
payload. Source: Engine API, "Attach to a container".
"""

from __future__ import annotations

from wharfie.client.errors import ClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN, STDOUT, STDERR, SYSTEM_ERROR = range(4)


class Demultiplexer:
    """Splits a byte stream into pieces of its streams, whatever the chunk boundaries.

    A frame's payload is handed on as it arrives, so a frame may come in several pieces and its
    announced length costs no memory.
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, piece) for all of `data`.

        Raises:
            ClientError: a header names no known stream.
        """
        at = 0
        while at < len(data):
            if not self._left:
                at = self._take_header(data, at)
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            yield self._stream, piece

    def _take_header(self, data: bytes, at: int) -> int:
        wanted = 8 - len(self._header)
        self._header += data[at : at + wanted]
        if len(self._header) == 8:
            if self._header[0] > SYSTEM_ERROR:
                raise ClientError(f"Unrecognized input header: {self._header[0]}")
            self._stream = self._header[0]
            self._left = int.from_bytes(self._header[4:8], "big")
            self._header = b""
        return at + wanted
