"""Logs of the local driver read back: whole records in, runs of output out."""

from __future__ import annotations

from wharfie.formats.logs.locallog import DamagedLog, decode, next_record
from wharfie.formats.logs.rfc3339 import rfc3339_nano
from wharfie.formats.logs.runs import LogRun


def decode_runs(data: bytes) -> tuple[list[LogRun], int]:
    """The runs of all whole records, and where the last one ends.

    Nothing of what follows damage: it counts as read.
    """
    runs: list[LogRun] = []
    position, size = 0, len(data)
    head = tail = b""
    lines: list[bytes] = []
    try:
        while position < size:
            end = next_record(data, position)
            if end < 0:
                break
            begin = position + 4
            line = None
            if head and data.startswith(head, begin) and data.endswith(tail, begin, end - 4):
                line = _text(data, begin + len(head), end - 4 - len(tail))
            if line is not None:
                lines.append(line)
            else:
                record, attributes = decode(data[begin : end - 4])
                lines = [record.line]
                end_of_line = b"\n" if record.is_whole else b""
                time = rfc3339_nano(record.time)
                runs.append(LogRun(record.stream, time, lines, attributes, end_of_line))
                is_plain = record.partial is None
                head, tail = _frame(data[begin : end - 4], record.line) if is_plain else (b"", b"")
            position = end
    except DamagedLog:
        return runs, size
    return runs, position


def _text(data: bytes, start: int, end: int) -> bytes | None:
    """A length of one or two bytes and a text that fills the rest; None when it is not so."""
    size = data[start]
    start += 1
    if size > 127:
        size += (data[start] << 7) - 128
        start += 1
    return data[start:end] if end - start == size else None


def _frame(record: bytes, line: bytes) -> tuple[bytes, bytes]:
    """What surrounds the line's length and text in a record that is a whole line.

    Records that have the same before and after hold a line of the same run: the time and the
    stream are before it. Only lines whose length takes one or two bytes are compared so.
    """
    start = record.find(b"\x1a", 10) + 1
    text = start + 1 + (len(line) > 127)
    if not start or len(line) > 16383 or record[text : text + len(line)] != line:
        return b"", b""
    return record[:start], record[text + len(line) :]


def tail_start(block: bytes, records: int) -> tuple[int, int]:
    """Where the last `records` records of a block begin that ends one, and how many they are.

    Fewer when the block begins inside a record: then the caller asks again with a longer one.

    Raises:
        DamagedLog: the block does not end a record.
    """
    position = len(block)
    found = 0
    while found < records and position >= 8:
        size = int.from_bytes(block[position - 4 : position], "big")
        start = position - size - 8
        if start < 0:
            break
        if block[start : start + 4] != block[position - 4 : position]:
            raise DamagedLog("lengths before and after a record differ")
        position = start
        found += 1
    return position, found
