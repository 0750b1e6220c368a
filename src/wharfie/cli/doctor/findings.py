"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One answer.

    Attributes:
        check: what was looked at, a word or two that scripts can rely on.
        detail: what was found, a sentence.
        remedy: the command that mends it; empty when there is nothing to mend.
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """A finding that all is well."""
    return Finding(check=check, status=Status.OK, detail=detail)


def warn(check: str, detail: str, remedy: str) -> Finding:
    """A finding of something that works, for now or for too many."""
    return Finding(check=check, status=Status.WARN, detail=detail, remedy=remedy)


def fail(check: str, detail: str, remedy: str) -> Finding:
    """A finding of something that does not work, or must not be left so."""
    return Finding(check=check, status=Status.FAIL, detail=detail, remedy=remedy)


def in_words_of(prog: str, text: str) -> str:
    """Word a remedy for an installation that goes by Docker's names."""
    if prog != "docker":
        return text
    for ours, theirs in (
        (" wharfie remote", " docker remote"),
        ("start wharfie", "start docker"),
        ("reload wharfie", "reload docker"),
        ("-u wharfie", "-u docker"),
        ("/etc/wharfie/", "/etc/docker/"),
    ):
        text = text.replace(ours, theirs)
    return text
