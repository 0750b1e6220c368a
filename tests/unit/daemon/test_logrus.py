"""Log lines as Docker's."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from wharfie.daemon.logrus import (
    JournalFormatter,
    JsonFormatter,
    TerminalFormatter,
    TextFormatter,
    choose_formatter,
    is_journal,
)


def formatted(level: int, message: str, **extra: object) -> str:
    record = logging.LogRecord("x", level, "f", 1, message, None, None)
    record.created = 1.5
    record.__dict__.update(extra)
    return TextFormatter().format(record)


def test_a_line_has_time_level_and_quoted_message() -> None:
    assert formatted(logging.WARNING, 'a "b"\nc') == (
        'time="1970-01-01T00:00:01.500000000Z" level=warning msg="a \\"b\\"\\nc"'
    )


def test_fields_are_quoted_where_needed() -> None:
    line = formatted(logging.INFO, "m", fields={"method": "GET", "url": "/a?b=c"})
    assert line.endswith(' method=GET url="/a?b=c"')


def line(formatter: logging.Formatter, level: int = logging.INFO, **fields: object) -> str:
    record = logging.LogRecord("x", level, "f", 1, "m", None, None)
    record.created = 1.5
    record.fields = fields
    return formatter.format(record)


def test_json_is_one_object_with_sorted_keys() -> None:
    assert line(JsonFormatter(), n=1, msg="x") == (
        '{"fields.msg":"x","level":"info","msg":"m","n":1,"time":"1970-01-01T00:00:01.500000000Z"}'
    )


def test_a_terminal_gets_a_short_level_and_colour() -> None:
    plain = TerminalFormatter(colour=False)
    assert line(plain, logging.WARNING) == "WARN[1970-01-01T00:00:01.500000000Z] m"
    assert line(plain, a="b").endswith(f"] {'m':<44} a=b")
    assert line(TerminalFormatter(colour=True), logging.ERROR).startswith("\x1b[31mERRO\x1b[0m[")


def test_the_journal_is_told_the_priority() -> None:
    formatter = JournalFormatter(TextFormatter())
    assert line(formatter, logging.WARNING).startswith('<4>time="')
    assert line(formatter, logging.ERROR).startswith('<3>time="')
    assert line(formatter, logging.DEBUG).startswith('<7>time="')


@pytest.mark.parametrize(
    ("style", "raw", "terminal", "expected"),
    [
        ("text", False, True, TerminalFormatter),
        ("text", True, True, TextFormatter),
        ("text", False, False, TextFormatter),
        ("json", False, True, JsonFormatter),
    ],
)
def test_the_form_fits_what_standard_error_is(
    style: str, raw: bool, terminal: bool, expected: type
) -> None:
    chosen = choose_formatter(style, raw=raw, terminal=terminal, journal=False, colour=False)
    assert type(chosen) is expected
    journal = choose_formatter(style, raw=raw, terminal=False, journal=True, colour=False)
    assert isinstance(journal, JournalFormatter)


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        held = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{held.st_dev}:{held.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{held.st_dev}:1"})
        assert not is_journal(file.fileno(), {})


HOSTILE = 'x\x1b[2J\x9b31m\u202egpj\r\ntime="forged" level=info msg="all is well"'


@pytest.mark.parametrize(
    "formatter", [TextFormatter(), JsonFormatter(), TerminalFormatter(colour=False)]
)
def test_no_text_from_outside_steers_a_terminal_or_forges_a_line(
    formatter: logging.Formatter,
) -> None:
    """A12; the naive formatter beside it would be taken in."""
    record = logging.LogRecord("x", logging.INFO, "f", 1, "%s", (HOSTILE,), None)
    record.fields = {"form-data": {"name": HOSTILE}}
    written = formatter.format(record)
    bad = "\x1b\x9b\u202e\r"
    assert not set(written) & set(bad)
    if not isinstance(formatter, TerminalFormatter):
        assert "\n" not in written
        assert set(logging.Formatter().format(record)) >= set(bad)
