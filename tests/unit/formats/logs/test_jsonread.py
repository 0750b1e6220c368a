"""json-file logs read back: runs, blocks and single lines give the same text."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.logs.jsonlog import JsonLogEncoder, Timestamps
from wharfie.formats.logs.jsonread import decode_runs

CHUNKS = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.lists(
            st.one_of(
                st.text(alphabet='ab"\\\n\r\t{}:,é☃\x7f\u2028', max_size=20),
                st.sampled_from(['","stream":"', '{"log":"', "\\n", "x" * 5000, "plain text"]),
            ),
            max_size=30,
        ).map("\n".join),
    ),
    max_size=6,
)


def spelled(data: bytes) -> list[tuple[int, str, bytes]]:
    return [
        (run.stream, run.time, line + run.end) for run in decode_runs(data)[0] for line in run.lines
    ]


def one_by_one(data: bytes) -> list[tuple[int, str, bytes]]:
    rows = [json.loads(line) for line in data.splitlines()]
    streams = {"stdout": 1, "stderr": 2}
    return [(streams[row["stream"]], row["time"], row["log"].encode()) for row in rows]


@given(CHUNKS, st.sampled_from([{}, {"k": "v", "stream": '"x'}]))
def test_runs_are_what_decoding_each_line_gives(
    chunks: list[tuple[int, str]], attributes: dict[str, str]
) -> None:
    encoder = JsonLogEncoder(attributes)
    times = Timestamps()
    data = b"".join(
        encoder.feed(stream, text.encode(), times.format(at))
        for at, (stream, text) in enumerate(chunks)
    )
    data += encoder.flush(1, times.format(99)) + encoder.flush(2, times.format(99))
    assert spelled(data) == one_by_one(data)
    assert all(run.attributes == attributes for run in decode_runs(data)[0])


def test_a_busy_log_is_one_run() -> None:
    text = b"".join(b"line %d\n" % n for n in range(5000))
    data = JsonLogEncoder().feed(1, text, b"2026-01-01T00:00:00.000000000Z")
    ((run,), _) = decode_runs(data)
    assert b"".join(line + b"\n" for line in run.lines) == text


def test_damage_costs_its_line_only() -> None:
    good = b'{"log":"a\\n","stream":"stdout","time":"T"}\n'
    bad = [b"{\n", b"[1]\n", b'{"log":"\xff\n', b"\0\0\n", b'{"log":7}\n', b"null\n"]
    for line in bad:
        assert spelled(good + good + line + good) == [(1, "T", b"a\n")] * 3


def test_docker_s_own_lines_are_read() -> None:
    line = b'{"log":"x\\u003cy\\n","stream":"stderr","attrs":{"a":"1"},"time":"T"}\n'
    assert spelled(line * 2) == [(2, "T", b"x<y\n")] * 2


def test_only_whole_lines_count() -> None:
    assert decode_runs(b"a\nb")[1] == 2
    assert decode_runs(b"ab")[1] == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_taken(data: bytes) -> None:
    decode_runs(data)


def test_long_runs_one_after_the_other_are_told_apart() -> None:
    clock, encoder = Timestamps(), JsonLogEncoder()
    pieces, wanted = [], []
    for number, count in enumerate((3000, 1, 2, 700, 5000, 40)):
        text = b"".join(b"%d %b\n" % (line, b"x" * (line % 150)) for line in range(count))
        pieces.append(encoder.feed(1 + number % 2, text, clock.format(10**18 + number)))
        wanted.append((1 + number % 2, text))
    runs, end = decode_runs(b"".join(pieces))
    found: list[tuple[int, bytes]] = []
    for run in runs:
        text = b"".join(line + run.end for line in run.lines)
        if found and found[-1][0] == run.stream:
            found[-1] = (run.stream, found[-1][1] + text)
        else:
            found.append((run.stream, text))
    assert (found, end) == (wanted, sum(map(len, pieces)))
