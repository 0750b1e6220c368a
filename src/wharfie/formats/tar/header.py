"""The 512-byte header block.

offset size field                  offset size field
     0  100 name                      257    6 magic "ustar\\0", GNU "ustar "
   100    8 mode                      263    2 version "00", GNU " \\0"
   108    8 uid                       265   32 user name
   116    8 gid                       297   32 group name
   124   12 size                      329    8 device major
   136   12 mtime                     337    8 device minor
   148    8 checksum                  345  155 name prefix (ustar)
   156    1 type flag                 386   96 four sparse entries (GNU), 482 "more follow",
   157  100 link name                 483   12 real size (GNU)

Numbers are octal digits, or base 256 when the first bit of the field is set.
"""

from __future__ import annotations

from msgspec import Struct

from wharfie.formats.tar.errors import FormatError

BLOCK = 512
_ZEROES = bytes(BLOCK)
_BASE_256 = 0x80
_NEGATIVE = 0xFF
_MAX_NUMBER = (1 << 63) - 1
_BLANK_CHECKSUM = 8 * 0x20


class Header(Struct, frozen=True, gc=False):
    """A header block taken apart; `block` is kept for the fields only GNU sparse files use."""

    path: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type_flag: bytes
    link: bytes
    major: int
    minor: int
    block: bytes


def parse_header(block: bytes) -> Header | None:
    """Take a header block apart; None for a block of zeroes (end of archive).

    Raises:
        FormatError: wrong checksum, or a number that is none.
    """
    if block == _ZEROES:
        return None
    _check_sum(block)
    name = text(block[0:100])
    magic = block[257:263]
    is_posix = magic in {b"ustar\0", b"ustar "}
    if magic == b"ustar\0" and block[345]:
        name = text(block[345:500]) + b"/" + name
    type_flag = block[156:157]
    has_device = is_posix and type_flag in {b"3", b"4"}
    return Header(
        name,
        number(block[100:108], "mode") & 0o7777,
        number(block[108:116], "uid"),
        number(block[116:124], "gid"),
        number(block[124:136], "size"),
        number(block[136:148], "mtime", signed=True),
        type_flag,
        text(block[157:257]),
        number(block[329:337], "device") if has_device else 0,
        number(block[337:345], "device") if has_device else 0,
        block,
    )


def text(field: bytes) -> bytes:
    """A string field up to its first NUL."""
    return field.partition(b"\0")[0]


def number(field: bytes, name: str, *, signed: bool = False) -> int:
    """A number field.

    Raises:
        FormatError: not a number, negative where that makes no sense, or beyond 63 bits.
    """
    digits = field.strip(b" \0")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            raise FormatError(f"invalid tar header: bad {name}") from None
    if not digits:
        return 0
    if not field[0] & _BASE_256:
        return _odd_number(digits, name)
    value = _base_256(field)
    if value > _MAX_NUMBER or value < -_MAX_NUMBER or (value < 0 and not signed):
        raise FormatError(f"invalid tar header: {name} out of range")
    return value


def _odd_number(digits: bytes, name: str) -> int:
    """Digits with rubbish after a NUL, which some writers leave there."""
    digits = digits.partition(b"\0")[0].rstrip(b" ")
    if digits.isdigit() and not digits.strip(b"01234567"):
        return int(digits, 8)
    raise FormatError(f"invalid tar header: bad {name}")


def _base_256(field: bytes) -> int:
    if field[0] == _NEGATIVE:
        return int.from_bytes(field, "big", signed=True)
    return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")


def _check_sum(block: bytes) -> None:
    field = block[148:156]
    stored = number(field, "checksum")
    unsigned = sum(block) - sum(field) + _BLANK_CHECKSUM
    if stored == unsigned:
        return
    high = sum(1 for byte in block[:148] + block[156:] if byte >= 0x80)
    if stored != unsigned - 256 * high:  # some old tars summed signed bytes
        raise FormatError("invalid tar header: not a tar archive, or a damaged one")


class Ustar(Struct, frozen=True, kw_only=True, gc=False):
    """The fields of a ustar header to be written; whoever makes one sees that all fit."""

    path: bytes
    prefix: bytes = b""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    type_flag: bytes
    link: bytes = b""
    device: tuple[int, int] = (0, 0)


def build_header(fields: Ustar) -> bytes:
    """A ustar header block."""
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        fields.mode,
        fields.uid,
        fields.gid,
        fields.size,
        fields.mtime,
    )
    block = b"".join(
        (
            fields.path.ljust(100, b"\0"),
            numbers,
            b"        ",
            fields.type_flag,
            fields.link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            b"%07o\0%07o\0" % fields.device,
            fields.prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def build_plain_header(
    path: bytes, numbers: tuple[int, int, int, int, int], type_flag: bytes
) -> bytes:
    """As `build_header`, of what most members are: short name, no link, no device.

    Args:
        path: at most 100 bytes.
        numbers: mode, uid, gid, size, mtime, all of which fit.
        type_flag: one byte.
    """
    start = path.ljust(100, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers
    total = sum(start) + _SUM_OF_REST + type_flag[0]
    return b"%b%06o\0 %b%b" % (start, total, type_flag, _REST)


_REST = bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(155 + 12)
_SUM_OF_REST = sum(_REST) + sum(b"        ")
