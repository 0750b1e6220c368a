"""PAX records: "<length> <keyword>=<value>\\n", the length counting itself."""

from __future__ import annotations

from collections.abc import Iterable

from wharfie.formats.tar.errors import FormatError

XATTR_PREFIX = b"SCHILY.xattr."
_NANOSECONDS = 1_000_000_000
_LENGTH_DIGITS = 10
_MAX_SECONDS = 1 << 63


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """All records in order; keywords may repeat (GNU sparse format 0.0).

    Raises:
        FormatError: a length that does not fit, or a record without "=" or line end.
    """
    records: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + _LENGTH_DIGITS + 1)
        digits = data[position:space]
        if space < 0 or not digits.isdigit():
            if not data[position:].strip(b"\0"):
                break  # padding some writers count in
            raise FormatError("invalid PAX record: no length")
        end = position + int(digits)
        record = data[space + 1 : end]
        if end > len(data) or end <= space or not record.endswith(b"\n"):
            raise FormatError("invalid PAX record: wrong length")
        keyword, equals, value = record[:-1].partition(b"=")
        if not equals or not keyword:
            raise FormatError("invalid PAX record: no keyword")
        records.append((keyword, value))
        position = end
    return records


def encode_records(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Records as bytes, in the order given."""
    return b"".join(_encode(keyword, value) for keyword, value in records)


def _encode(keyword: bytes, value: bytes) -> bytes:
    body = len(keyword) + len(value) + 3
    length = body + len(str(body))
    if len(str(length)) > len(str(body)):
        length += 1
    return b"%d %b=%b\n" % (length, keyword, value)


def parse_integer(value: bytes, keyword: str) -> int:
    """A decimal number that is not negative.

    Raises:
        FormatError: it is no such number, or beyond 63 bits.
    """
    if not value.isdigit() or len(value) > 19 or int(value) >= _MAX_SECONDS:
        raise FormatError(f"invalid PAX record: bad {keyword}")
    return int(value)


def parse_time(value: bytes) -> int:
    """Seconds with a fraction, as nanoseconds; digits beyond are dropped.

    Raises:
        FormatError: no decimal number, or beyond 63 bits of seconds.
    """
    sign = -1 if value.startswith(b"-") else 1
    whole, _, fraction = value.removeprefix(b"-").partition(b".")
    if not (whole + fraction).isdigit() or len(whole) > 19:
        raise FormatError("invalid PAX record: bad time")
    seconds = int(whole or b"0")
    if seconds >= _MAX_SECONDS:
        raise FormatError("invalid PAX record: bad time")
    return sign * (seconds * _NANOSECONDS + int(fraction[:9].ljust(9, b"0")))


def format_time(nanoseconds: int) -> bytes:
    """Nanoseconds as seconds with the shortest fraction."""
    sign = b"-" if nanoseconds < 0 else b""
    seconds, rest = divmod(abs(nanoseconds), _NANOSECONDS)
    if not rest:
        return b"%b%d" % (sign, seconds)
    return b"%b%d.%b" % (sign, seconds, (b"%09d" % rest).rstrip(b"0"))
