"""HEALTHCHECK: `[options] CMD command`, or `NONE`.

Source: Dockerfile reference, HEALTHCHECK.
"""

from __future__ import annotations

from wharfie.formats.dockerfile.flags import Flags
from wharfie.formats.dockerfile.instructions import HealthCheck
from wharfie.formats.dockerfile.jsonform import json_words
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.statement import Statement
from wharfie.formats.duration import MILLISECOND, parse_duration

_TIMES = ("interval", "timeout", "start-period", "start-interval")


def read_healthcheck(statement: Statement, _: str) -> HealthCheck:
    """Read it.

    Raises:
        DockerfileProblem: neither CMD nor NONE, no command, or times that are none.
    """
    parts = statement.rest.split(None, 1)
    if not parts:
        raise DockerfileProblem("HEALTHCHECK requires at least one argument")
    kind, rest = parts[0].upper(), parts[1] if len(parts) > 1 else ""
    if kind == "NONE":
        if rest:
            raise DockerfileProblem("HEALTHCHECK NONE takes no arguments")
        return HealthCheck(statement=statement, test=["NONE"])
    flags = Flags(statement.flags, texts=(*_TIMES, "retries"))
    if kind != "CMD":
        raise DockerfileProblem(f'Unknown type "{kind[:80]}" in HEALTHCHECK (try CMD)')
    words = json_words(rest)
    if not rest or words == []:
        raise DockerfileProblem("Missing command after HEALTHCHECK CMD")
    return HealthCheck(
        statement=statement,
        test=["CMD-SHELL", rest] if words is None else ["CMD", *words],
        interval=_time(flags, "interval"),
        timeout=_time(flags, "timeout"),
        start_period=_time(flags, "start-period"),
        start_interval=_time(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _time(flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise DockerfileProblem(str(error)) from None
    if span and span < MILLISECOND:
        raise DockerfileProblem(f'Interval "{name}" cannot be less than 1ms')
    return span


def _retries(text: str) -> int:
    if not text:
        return 0
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise DockerfileProblem(f'strconv.ParseInt: parsing "{text[:80]}": invalid syntax')
    if len(digits) > 10 or not -(2**31) <= int(text) < 2**31:
        raise DockerfileProblem(f'strconv.ParseInt: parsing "{text[:80]}": value out of range')
    if int(text) < 0:
        raise DockerfileProblem(f"--retries cannot be negative ({int(text)})")
    return int(text)
