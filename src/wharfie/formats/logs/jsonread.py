"""json-file logs read back: whole lines of JSON in, runs of output out.

Output that was read at once was logged with one time, so lines of a busy log come in runs with
the same ending, which is where the text is split: ten times as fast as to decode line by line.
Where lines do not come in runs, a block of them is decoded at once. A damaged line (a write torn
by a crash) is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from wharfie.formats.logs.runs import LogRun

_HEAD = b'{"log":"'
_END_OF_TEXT = b'\\n","stream":"'
_STREAMS = {"stdout": 1, "stderr": 2}
_WINDOW = 1 << 12
_MAX_WINDOW = 1 << 18
_BLOCK = 1 << 14

_Facts = tuple[int, str, bytes, dict[str, str]]


def decode_runs(data: bytes) -> tuple[list[LogRun], int]:
    """The runs of all whole lines, and where the last whole line ends."""
    runs: list[LogRun] = []
    position, size = 0, data.rfind(b"\n") + 1
    window = _WINDOW
    while position < size:
        run, end = _read_run(data, position, size, window)
        if run is not None:
            runs.append(run)
            window = max(_WINDOW, end - position)
            position = end
            continue
        end = data.rfind(b"\n", position, position + _BLOCK) + 1
        end = end or data.find(b"\n", position) + 1
        runs += _decode_block(data[position:end])
        position = end
    return runs, size


def _read_run(data: bytes, start: int, size: int, window: int) -> tuple[LogRun | None, int]:
    """A run of at least two lines that begins at `start`, and its end; None when there is none."""
    first = data.find(b"\n", start) + 1
    middle = data.find(_END_OF_TEXT, start, first)
    if middle < 0 or not data.startswith(_HEAD, start):
        return None, start
    ending = data[middle:first]
    second = data.find(b"\n", first) + 1
    if not second or not data.endswith(ending, first, second):
        return None, start
    facts = _decode(_HEAD + ending)
    if facts is None:
        return None, start
    pieces, end = _split(data, start, size, ending, window)
    lines = _unescape(pieces)
    if lines is None:
        return None, start
    return LogRun(facts[0], facts[1], lines, facts[3]), end


def _split(
    data: bytes, start: int, size: int, ending: bytes, window: int
) -> tuple[list[bytes], int]:
    """The escaped texts of all lines from `start` on that end in `ending`, and where they end.

    Split at newlines, cut each line to its text, then put all together again to see that it
    was right: several times as fast as to search for the ending.
    """
    separator = ending + _HEAD
    text_start, text_end = len(_HEAD), 1 - len(ending)
    pieces: list[bytes] = []
    while start < size and data.startswith(_HEAD, start):
        if not data.endswith(ending, start, data.find(b"\n", start) + 1):
            break  # the next run's first line: not worth a window
        end = data.rfind(b"\n", start, min(start + window, size)) + 1
        if not end:
            break
        rows = data[start : end - 1].split(b"\n")
        is_over = _cut_others(rows, ending[:-1])
        end = start + sum(map(len, rows)) + len(rows) if is_over else end
        found = [row[text_start:text_end] for row in rows]
        joined = separator.join(found)
        middle = start + text_start + len(joined)
        if not (
            data.startswith(joined, start + text_start)
            and data.startswith(ending, middle)
            and middle + len(ending) == end
        ):
            count = _count_alike(rows, ending[:-1])
            del found[count:]
            end = start + sum(map(len, rows[:count])) + count
            is_over = True
        pieces += found
        start = end
        window = min(window * 4, _MAX_WINDOW)
        if is_over:
            break
    return pieces, start


def _cut_others(rows: list[bytes], ending: bytes) -> bool:
    """Remove the rows behind those with one ending; tell whether there were any.

    A time does not come back, so they are behind one place, which halving finds.
    """
    if rows[-1].endswith(ending):
        return False
    low, high = 0, len(rows) - 1  # the first that is another is between the two
    while low < high:
        middle = (low + high) // 2
        if rows[middle].endswith(ending):
            low = middle + 1
        else:
            high = middle
    del rows[low:]
    return True


def _count_alike(rows: list[bytes], ending: bytes) -> int:
    """How many rows at the beginning are lines with one ending."""
    for number, row in enumerate(rows):
        if not (row.startswith(_HEAD) and row.endswith(ending)):
            return number
    return len(rows)


def _unescape(pieces: list[bytes]) -> list[bytes] | None:
    """Texts as they were before they were JSON; None when they cannot have been."""
    if not pieces:
        return None
    if b"\\" not in b"".join(pieces):
        return pieces
    try:
        texts = orjson.loads(b'["' + b'","'.join(pieces) + b'"]')
    except orjson.JSONDecodeError:
        return None
    if len(texts) != len(pieces):
        return None
    return [one.encode() for one in texts]


def _decode_block(block: bytes) -> Iterator[LogRun]:
    """Decode lines that are no run; those that follow each other with equal facts become one."""
    try:
        rows = orjson.loads(b"[" + block.rstrip(b"\n").replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        for line in block.split(b"\n"):
            facts = _decode(line)
            if facts is not None:
                yield _one(facts)
        return
    for row in rows:
        facts = _facts(row)
        if facts is not None:
            yield _one(facts)


def _one(facts: _Facts) -> LogRun:
    stream, time, line, attributes = facts
    if line.endswith(b"\n"):
        return LogRun(stream, time, [line[:-1]], attributes)
    return LogRun(stream, time, [line], attributes, b"")


def _decode(line: bytes) -> _Facts | None:
    try:
        return _facts(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None


def _facts(row: object) -> _Facts | None:
    """Stream, time, text and attributes of a decoded line; None when it is no log line."""
    if not isinstance(row, dict):
        return None
    log, time, attributes = row.get("log", ""), row.get("time", ""), row.get("attrs")
    if not (isinstance(log, str) and isinstance(time, str)):
        return None
    kept = attributes if isinstance(attributes, dict) else {}
    stream = row.get("stream")
    number = _STREAMS.get(stream, 1) if isinstance(stream, str) else 1
    return number, time, log.encode("utf-8", "replace"), kept
