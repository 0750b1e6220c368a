"""The manifest of a build context: every path with its attributes, cut into blocks.

An entry is one line of fields and two names, each ended by NUL:

    kind mode mtime size digest NUL path NUL link NUL      kind: f d l p; mode octal; mtime in ns

Blocks end where a path's checksum says so, hence one changed file changes one block. The dialog
about one context, once its channel is open:

    client  u32 number of blocks, their SHA-256 digests (32 bytes each)
    daemon  `B` + numbers of the blocks it lacks (u32 each), in one or more messages; last: `b`
    client  for each of them: u32 length, the block compressed by zlib
    daemon  `F` + numbers of the entries whose content it lacks; last: `f`
    client  for each of them the content: exactly as many bytes as the entry says
"""

from __future__ import annotations

import hashlib
import zlib
from struct import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FILE, DIRECTORY, SYMLINK, FIFO = b"f", b"d", b"l", b"p"
DIGEST_SIZE = 32
MAX_BLOCK = 1 << 20
"""Bytes of a block, uncompressed."""
MAX_BLOCKS = 1 << 16
NUMBERS_AT_ONCE = 8192
WANT_BLOCKS, WANT_FILES = b"B", b"F"
_MANY = 256
_MASK = 63


class ManifestError(ValueError):
    """What came is no manifest."""


class Entry:
    """One path of a context.

    `path` is relative, without "." and ".."; `digest` is the SHA-256 of a file's content, "" for
    other kinds; `mtime` is in nanoseconds.
    """

    __slots__ = ("digest", "kind", "link", "mode", "mtime", "path", "size")

    def __init__(
        self,
        kind: bytes,
        path: bytes,
        *,
        mode: int = 0o644,
        mtime: int = 0,
        size: int = 0,
        digest: str = "",
        link: bytes = b"",
    ) -> None:
        self.kind = kind
        self.path = path
        self.mode = mode
        self.mtime = mtime
        self.size = size
        self.digest = digest
        self.link = link

    def encode(self) -> bytes:
        """Spell it."""
        head = f" {self.mode:o} {self.mtime} {self.size} {self.digest}\0".encode()
        return self.kind + head + self.path + b"\0" + self.link + b"\0"


def blocks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Cut a manifest into blocks; equal neighbourhoods give equal blocks."""
    parts: list[bytes] = []
    size = 0
    for entry in entries:
        spelled = entry.encode()
        parts.append(spelled)
        size += len(spelled)
        is_edge = zlib.crc32(entry.path) & _MASK == 0
        if is_edge or len(parts) >= _MANY or size > MAX_BLOCK // 2:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def parse_block(block: bytes) -> Iterator[Entry]:
    """The entries of a block.

    Raises:
        ManifestError: malformed.
    """
    fields = block.split(b"\0")
    if fields.pop() or len(fields) % 3:
        raise ManifestError("malformed block of a manifest")
    for at in range(0, len(fields), 3):
        yield _parse(fields[at], fields[at + 1], fields[at + 2])


def _parse(head: bytes, path: bytes, link: bytes) -> Entry:
    parts = head.split(b" ")
    if len(parts) != 5 or parts[0] not in {FILE, DIRECTORY, SYMLINK, FIFO} or not path:
        raise ManifestError("malformed entry of a manifest")
    try:
        mode, mtime, size = int(parts[1], 8), int(parts[2]), int(parts[3])
    except ValueError:
        raise ManifestError("malformed numbers in a manifest") from None
    digest = parts[4].decode("latin-1")
    if parts[0] == FILE and not is_hex_digest(digest):
        raise ManifestError("malformed digest in a manifest")
    if size < 0 or not 0 <= mode <= 0o7777:
        raise ManifestError("numbers out of range in a manifest")
    return Entry(parts[0], path, mode=mode, mtime=mtime, size=size, digest=digest, link=link)


def is_hex_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 digest in lower-case hexadecimal."""
    return len(text) == 2 * DIGEST_SIZE and not text.strip("0123456789abcdef")


def digest_of(block: bytes) -> bytes:
    """The digest a block is named by."""
    return hashlib.sha256(block).digest()


def encode_digests(digests: Sequence[bytes]) -> bytes:
    """The client's first words."""
    return pack(">I", len(digests)) + b"".join(digests)


def encode_block(block: bytes) -> bytes:
    """A block as it is sent."""
    packed = zlib.compress(block, 6)
    return pack(">I", len(packed)) + packed


def decode_block(packed: bytes) -> bytes:
    """A block as it was.

    Raises:
        ManifestError: damaged or too large.
    """
    inflater = zlib.decompressobj()
    try:
        block = inflater.decompress(packed, MAX_BLOCK)
    except zlib.error:
        raise ManifestError("a block of the manifest is damaged") from None
    if not inflater.eof or inflater.unused_data:
        raise ManifestError("a block of the manifest is damaged or too large")
    return block


def encode_wanted(tag: bytes, numbers: Sequence[int], *, last: bool) -> bytes:
    """What the daemon lacks; the last message has its tag in lower case."""
    return (tag.lower() if last else tag) + pack(f">{len(numbers)}I", *numbers)


def decode_wanted(message: bytes) -> tuple[bytes, list[int], bool]:
    """Tag, numbers, and whether it is the last message.

    Raises:
        ManifestError: malformed.
    """
    tag = message[:1]
    if tag.upper() not in {WANT_BLOCKS, WANT_FILES} or len(message) % 4 != 1:
        raise ManifestError("malformed answer of the daemon")
    numbers = list(unpack(f">{len(message) // 4}I", message[1:]))
    return tag.upper(), numbers, tag != tag.upper()
