"""What the drivers that send away put on the wire."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib

import pytest

from wharfie.formats.logs.fluent import FluentEncoder, parse_ack
from wharfie.formats.logs.gelf import CHUNK, GelfEncoder
from wharfie.formats.logs.journal import JournalEncoder
from wharfie.formats.logs.lines import Partial, Record
from wharfie.formats.logs.syslog import SyslogEncoder

NOW = 1_767_225_600_123_456_789
OUT = Record(1, NOW, b"hello")
ERR = Record(2, NOW, b"oh no")
PIECE = Record(1, NOW, b"part", Partial("id", 2, last=False))


def syslog(format_: str, *, counted: bool = False) -> SyslogEncoder:
    return SyslogEncoder(
        format_=format_, facility=3, tag="tag", hostname="host", pid=7, counted=counted
    )


@pytest.mark.parametrize(
    ("format_", "pattern"),
    [
        ("", r"<30>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d tag\[7\]: hello\n"),
        ("rfc3164", r"<30>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d host tag\[7\]: hello\n"),
        ("rfc5424", r"<30>1 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) "
                    r"host tag 7 tag - hello\n"),
        ("rfc5424micro", r"<30>1 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.123456(Z|[+-]\d\d:\d\d) "
                         r"host tag 7 tag - hello\n"),
    ],
)  # fmt: skip
def test_syslog_formats(format_: str, pattern: str) -> None:
    (message,) = syslog(format_).encode(OUT)
    assert re.fullmatch(pattern, message.decode()), message
    assert syslog(format_).encode(ERR)[0].startswith(b"<27>")


def test_syslog_tells_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()
    try:
        assert b"T05:30:00+05:30 " in syslog("rfc5424").encode(OUT)[0]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_syslog_over_tls_counts_its_bytes() -> None:
    (message,) = syslog("rfc5424", counted=True).encode(OUT)
    count, _, rest = message.partition(b" ")
    assert int(count) == len(rest)
    assert syslog("rfc3164", counted=True).encode(OUT)[0].startswith(b"<30>")


def test_journal_fields_with_and_without_newlines() -> None:
    encoder = JournalEncoder({"CONTAINER_NAME": "n", "LABEL": "two\nlines", "": "no key"})
    (message,) = encoder.encode(ERR)
    assert b"MESSAGE=oh no\n" in message
    assert b"PRIORITY=3\n" in message
    assert b"LABEL\n\x09\0\0\0\0\0\0\0two\nlines\n" in message
    assert b"no key" not in message
    assert b"SYSLOG_TIMESTAMP=2026-01-01T00:00:00.123456789Z\n" in message
    (piece,) = encoder.encode(PIECE)
    assert b"CONTAINER_PARTIAL_MESSAGE=true\n" in piece
    assert b"CONTAINER_PARTIAL_ORDINAL=2\n" in piece


def gelf(*, datagrams: bool = True, compression: str = "none") -> GelfEncoder:
    return GelfEncoder(
        {"_tag": "t"},
        hostname="host",
        datagrams=datagrams,
        compression=compression,
        level=1,
        make_id=lambda: b"12345678",
    )


def test_gelf_says_what_and_when() -> None:
    (message,) = gelf().encode(ERR)
    assert json.loads(message) == {
        "version": "1.1",
        "host": "host",
        "short_message": "oh no",
        "timestamp": 1767225600.123,
        "level": 3,
        "_tag": "t",
    }
    (stream,) = gelf(datagrams=False).encode(OUT)
    assert stream.endswith(b"}\0")
    packed = gelf(compression="gzip").encode(OUT)[0]
    assert json.loads(gzip.decompress(packed))["short_message"] == "hello"
    packed = gelf(compression="zlib").encode(OUT)[0]
    assert json.loads(zlib.decompress(packed))["level"] == 6


def test_long_gelf_messages_are_cut_into_chunks() -> None:
    chunks = gelf().encode(Record(1, NOW, b"x" * 5000))
    assert len(chunks) == 4
    assert all(len(chunk) <= CHUNK and chunk[:10] == b"\x1e\x0f12345678" for chunk in chunks)
    assert [(chunk[10], chunk[11]) for chunk in chunks] == [(n, 4) for n in range(4)]
    text = b"".join(chunk[12:] for chunk in chunks)
    assert json.loads(text)["short_message"] == "x" * 5000
    assert gelf().encode(Record(1, NOW, b"\0" * 60_000)) == []


def test_fluent_messages_are_message_pack() -> None:
    encoder = FluentEncoder("tag", {"container_id": "c"}, sub_second=False)
    (message,) = encoder.encode(OUT)
    assert message == (
        b"\x93\xa3tag\xce\x69\x55\xb9\x00\x83\xa6source\xa6stdout\xa3log\xa5hello"
        b"\xaccontainer_id\xa1c"
    )
    (piece,) = FluentEncoder("tag", {}, sub_second=True).encode(PIECE, "chunk-1")
    assert piece[0] == 0x94
    assert piece[5:7] == b"\xd7\x00"
    assert b"\xafpartial_message\xa4true" in piece
    assert piece.endswith(b"\x81\xa5chunk\xa7chunk-1")
    long = FluentEncoder("t", {}, sub_second=False).encode(Record(1, NOW, b"x" * 300))[0]
    assert b"\xa3log\xda\x01\x2cxxx" in long


def test_acknowledgements_are_read_in_any_pieces() -> None:
    ack = b"\x81\xa3ack\xb8" + b"i" * 24
    for size in range(len(ack)):
        assert parse_ack(ack[:size]) is None
    assert parse_ack(ack + b"more") == ("i" * 24, len(ack))
    for wrong in (b"\x82", b"\x81\xa3nak\xa1i", b"\x81\x01"):
        with pytest.raises(ValueError, match="no acknowledgement"):
            parse_ack(wrong)
