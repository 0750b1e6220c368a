"""Logs of the local driver read back: whole records in, runs of output out."""

from __future__ import annotations

from collections.abc import Iterator

from wharfie.formats.logs.locallog import DamagedLog, decode, next_record
from wharfie.formats.logs.rfc3339 import rfc3339_nano
from wharfie.formats.logs.runs import LogRun


def whole_records(data: bytes) -> int:
    """Where the last whole record ends; what is damaged counts as whole, to be passed over."""
    end = 0
    try:
        while (following := next_record(data, end)) >= 0:
            end = following
    except DamagedLog:
        return len(data)
    return end


def decode_runs(data: bytes) -> Iterator[LogRun]:
    """Yield the runs of whole records; nothing of what follows damage."""
    position = 0
    run: LogRun | None = None
    key: tuple[int, int] = (0, 0)
    while position < len(data):
        try:
            end = next_record(data, position)
            if end < 0:
                break
            record, attributes = decode(data[position + 4 : end - 4])
        except DamagedLog:
            break
        position = end
        line = record.line + b"\n" if record.is_whole else record.line
        if run is not None and (record.stream, record.time) == key and attributes == run.attributes:
            run.lines.append(line)
            continue
        if run is not None:
            yield run
        key = (record.stream, record.time)
        run = LogRun(record.stream, rfc3339_nano(record.time), [line], attributes)
    if run is not None:
        yield run


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
