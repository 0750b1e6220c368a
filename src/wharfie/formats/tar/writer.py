"""Members as header blocks: ustar where it fits, PAX records where it does not.

The same choices as Go's archive/tar, so that our archives look like Docker's: a PAX record only
for what ustar cannot say. Names that are no UTF-8 go out as they are, marked hdrcharset=BINARY.
"""

from __future__ import annotations

from wharfie.formats.tar import pax
from wharfie.formats.tar.header import BLOCK, Ustar, build_header, build_plain_header
from wharfie.formats.tar.member import Kind, Member

END_OF_ARCHIVE = bytes(2 * BLOCK)

_NO_DEVICE = (0, 0)
_NANOSECONDS = 1_000_000_000
_NAME = 100
_PREFIX = 155
_MAX_7_DIGITS = 0o7777777
_MAX_11_DIGITS = 0o77777777777
_PADDING = tuple(bytes(size) for size in range(BLOCK))


def padding(size: int) -> bytes:
    """The zeroes that follow content of `size` bytes."""
    return _PADDING[-size % BLOCK]


def encode_member(member: Member) -> bytes:
    """All header blocks of a member; its content, `padding` and the next member follow.

    Sparse members are written in full, so their content must have holes filled with zeroes.
    """
    seconds, fraction = divmod(member.mtime, _NANOSECONDS)
    if _is_plain(member) and not fraction and 0 <= seconds <= _MAX_11_DIGITS:
        size = member.size if member.kind is Kind.FILE else 0
        numbers = (member.mode, member.uid, member.gid, size, seconds)
        return build_plain_header(member.path, numbers, member.kind.value)
    records: list[tuple[bytes, bytes]] = []
    path, prefix = _split(member.path)
    if path is None or not member.path.isascii():
        records.append((b"path", member.path))
        path, prefix = _ascii(member.path)[:_NAME], b""
    link = member.link
    if len(link) > _NAME or not link.isascii():
        records.append((b"linkpath", link))
        link = _ascii(link)[:_NAME]
    uid = _limit(records, b"uid", member.uid, _MAX_7_DIGITS)
    gid = _limit(records, b"gid", member.gid, _MAX_7_DIGITS)
    size = _limit(records, b"size", member.size, _MAX_11_DIGITS)
    if fraction or not 0 <= seconds <= _MAX_11_DIGITS:
        records.append((b"mtime", pax.format_time(member.mtime)))
        seconds = min(max(seconds, 0), _MAX_11_DIGITS)
    if member.atime is not None:
        records.append((b"atime", pax.format_time(member.atime)))
    for name, value in sorted(member.xattrs.items()):
        keyword = pax.XATTR_PREFIX + name.encode(errors="surrogateescape")
        records.append((keyword, value))
    fields = Ustar(
        path=path,
        prefix=prefix,
        mode=member.mode,
        uid=uid,
        gid=gid,
        size=size if member.kind is Kind.FILE else 0,
        mtime=seconds,
        type_flag=member.kind.value,
        link=link,
        device=member.device,
    )
    header = build_header(fields)
    return _extended(member.path, seconds, records) + header if records else header


def _is_plain(member: Member) -> bool:
    """Tell whether nothing but perhaps the time needs more than the usual fields."""
    return (
        not (member.xattrs or member.link or member.atime is not None)
        and len(member.path) <= _NAME
        and member.path.isascii()
        and member.uid <= _MAX_7_DIGITS
        and member.gid <= _MAX_7_DIGITS
        and member.size <= _MAX_11_DIGITS
        and member.device == _NO_DEVICE
    )


def _extended(path: bytes, seconds: int, records: list[tuple[bytes, bytes]]) -> bytes:
    for keyword, value in records:
        if keyword in {b"path", b"linkpath"} and not _is_utf8(value):
            records.insert(0, (b"hdrcharset", b"BINARY"))
            break
    body = pax.encode_records(records)
    name = b"PaxHeaders.0/" + _ascii(path.rstrip(b"/").rpartition(b"/")[2])[:80]
    fields = Ustar(path=name, size=len(body), mtime=seconds, type_flag=b"x")
    return build_header(fields) + body + padding(len(body))


def _split(path: bytes) -> tuple[bytes | None, bytes]:
    """Name and prefix of a path, the name None when ustar has no room for it."""
    if len(path) <= _NAME:
        return path, b""
    if len(path) > _PREFIX + 1 + _NAME:
        return None, b""
    cut = path.rfind(b"/", 0, min(_PREFIX + 1, len(path) - 1))
    if cut <= 0 or len(path) - cut - 1 > _NAME:
        return None, b""
    return path[cut + 1 :], path[:cut]


def _limit(records: list[tuple[bytes, bytes]], keyword: bytes, value: int, most: int) -> int:
    if value <= most:
        return value
    records.append((keyword, b"%d" % value))
    return 0


def _ascii(name: bytes) -> bytes:
    return name.decode("ascii", "ignore").encode()


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
