"""DNS messages: a query's question, and answers built from it.

    header 12 bytes: id, flags, counts of questions, answers, authorities and the rest
    question:        labels (length, bytes)… 0, type, class
    record:          name, type, class, TTL, length, data; 0xC00C points to the question's name

Only what a name server of our own needs is understood; everything else is passed on unread.
Source: RFC 1035 sections 4.1 and 2.3; RFC 6891 (EDNS) section 6.1.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

A = 1
PTR = 12
AAAA = 28
_OPT = 41
_IN = 1

NO_ERROR = 0
FORMAT_ERROR = 1
SERVER_FAILURE = 2
NAME_ERROR = 3
NOT_IMPLEMENTED = 4

HEADER_SIZE = 12
MOST_TCP = 65535
SMALLEST_LIMIT = 512
"""Bytes of a UDP answer to whoever does not say that he takes more."""
_MOST_LABELS = 127
_LONGEST_NAME = 255

_QR = 0x8000
_OPCODE = 0x7800
_TC = 0x0200
_RD = 0x0100
_RA = 0x0080
_RCODE = 0x000F
_POINTER_TO_QUESTION = b"\xc0\x0c"
_COUNTS = struct.Struct(">6H")
_FIXED = struct.Struct(">HHIH")
_TWO = struct.Struct(">HH")


class DnsFormatError(ValueError):
    """Bytes that are no DNS query we can answer."""


class Query:
    """A parsed query.

    Attributes:
        id: the asker's number.
        name: lower case, without the final dot; "" for the root.
        type: record type.
        question: the question as it was asked, to be repeated in the answer.
        limit: most bytes of a UDP answer.
    """

    __slots__ = ("flags", "id", "limit", "name", "question", "type")

    def __init__(  # noqa: PLR0917 - built once a query, in one place
        self, id_: int, flags: int, name: str, type_: int, question: bytes, limit: int
    ) -> None:
        self.id = id_
        self.flags = flags
        self.name = name
        self.type = type_
        self.question = question
        self.limit = limit


def parse_query(data: bytes) -> Query:
    """Parse a query with one question.

    Raises:
        DnsFormatError: anything else.
    """
    if len(data) < HEADER_SIZE:
        raise DnsFormatError("short header")
    number, flags, questions, _, _, additional = _COUNTS.unpack_from(data)
    if flags & (_QR | _OPCODE) or questions != 1:
        raise DnsFormatError("not a query with one question")
    name, end = _parse_name(data)
    if end + 4 > len(data):
        raise DnsFormatError("short question")
    type_, class_ = _TWO.unpack_from(data, end)
    if class_ != _IN:
        raise DnsFormatError("not of class IN")
    end += 4
    limit = _limit(data, end) if additional else SMALLEST_LIMIT
    return Query(number, flags, name, type_, data[HEADER_SIZE:end], limit)


def _parse_name(data: bytes) -> tuple[str, int]:
    labels: list[str] = []
    at, size = HEADER_SIZE, len(data)
    while at < size:
        length = data[at]
        if not length:
            if at - HEADER_SIZE >= _LONGEST_NAME or len(labels) > _MOST_LABELS:
                raise DnsFormatError("name too long")
            return ".".join(labels).lower(), at + 1
        if length > 63 or at + 1 + length > size:
            raise DnsFormatError("bad label")
        labels.append(data[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    raise DnsFormatError("name without end")


def _limit(data: bytes, at: int) -> int:
    """The size an EDNS record directly after the question allows."""
    if len(data) >= at + 11 and data[at] == 0:
        type_ = int.from_bytes(data[at + 1 : at + 3], "big")
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if type_ == _OPT:
            return max(SMALLEST_LIMIT, min(size, 4096))
    return SMALLEST_LIMIT


def record(type_: int, data: bytes, ttl: int) -> bytes:
    """One answer to the question."""
    return b"".join((_POINTER_TO_QUESTION, _FIXED.pack(type_, _IN, ttl, len(data)), data))


def answer(query: Query, records: Sequence[bytes], *, code: int = NO_ERROR) -> bytes:
    """A complete answer, of any size."""
    flags = _QR | _RA | query.flags & _RD | code
    header = _COUNTS.pack(query.id, flags, 1, len(records), 0, 0)
    return b"".join((header, query.question, *records))


def limited(query: Query, records: Sequence[bytes]) -> bytes:
    """An answer that fits the asker's UDP buffer; marked when records were left out."""
    room = query.limit - HEADER_SIZE - len(query.question)
    fitting = 0
    for one in records:
        room -= len(one)
        if room < 0:
            break
        fitting += 1
    whole = answer(query, records[:fitting])
    if fitting == len(records):
        return whole
    flags = int.from_bytes(whole[2:4], "big") | _TC
    return whole[:2] + flags.to_bytes(2, "big") + whole[4:]


def format_error(data: bytes) -> bytes:
    """What a message that cannot be parsed is told; b"" when it is not even a query."""
    if len(data) < HEADER_SIZE or data[2] & 0x80:
        return b""
    flags = _QR | _RA | FORMAT_ERROR
    return _COUNTS.pack(int.from_bytes(data[:2], "big"), flags, 0, 0, 0, 0)


def response_code(data: bytes) -> int:
    """The code of an answer; SERVER_FAILURE for what is none."""
    return data[3] & _RCODE if len(data) >= HEADER_SIZE and data[2] & 0x80 else SERVER_FAILURE


def is_answer(data: bytes, number: int, question: bytes) -> bool:
    """Tell whether an answer bears this number and repeats this question."""
    return (
        len(data) >= HEADER_SIZE
        and int.from_bytes(data[:2], "big") == number
        and data[2] & 0x80 != 0
        and _has_question(data, question)
    )


def _has_question(data: bytes, question: bytes) -> bool:
    if data[4:6] == b"\0\0":
        # Some servers leave the question out of refusals.
        return data[3] & _RCODE != NO_ERROR
    return data[HEADER_SIZE : HEADER_SIZE + len(question)].lower() == question.lower()


def renumber(data: bytes, number: int) -> bytes:
    """The same message with another number."""
    return number.to_bytes(2, "big") + data[2:]


def encode_name(name: str) -> bytes:
    """A name as record data.

    Raises:
        DnsFormatError: labels of no or more than 63 bytes, or too many.
    """
    encoded = bytearray()
    for label in name.split("."):
        data = label.encode("utf-8", "replace")
        if not 0 < len(data) < 64:
            raise DnsFormatError(f"cannot be a name: {name!r}")
        encoded.append(len(data))
        encoded += data
    if len(encoded) >= _LONGEST_NAME:
        raise DnsFormatError(f"cannot be a name: {name!r}")
    encoded.append(0)
    return bytes(encoded)


def parse_reverse(name: str) -> str:
    """The address a reverse name ("4.3.2.1.in-addr.arpa") stands for, "" for other names."""
    if name.endswith(".in-addr.arpa"):
        parts = name[: -len(".in-addr.arpa")].split(".")
        text = ".".join(reversed(parts))
    elif name.endswith(".ip6.arpa"):
        digits = name[: -len(".ip6.arpa")].split(".")
        if len(digits) != 32 or any(len(digit) != 1 for digit in digits):
            return ""
        joined = "".join(reversed(digits))
        text = ":".join(joined[at : at + 4] for at in range(0, 32, 4))
    else:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
