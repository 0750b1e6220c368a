"""Log lines as Docker's."""

from __future__ import annotations

import logging

from wharfie.daemon.logrus import TextFormatter


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
