"""Parser directives: `# syntax=`, `# escape=`, `# check=` on the first lines of a Dockerfile.

They stand before everything else, each at most once; the first line that is none ends them. The
syntax is also found behind `//` and in a file that is one JSON object.
Source: Dockerfile reference, "Parser directives".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from wharfie.formats.dockerfile.problem import DockerfileProblem

_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*", re.ASCII | re.DOTALL)
_KNOWN = frozenset({"syntax", "escape", "check"})
_ESCAPES = ("\\", "`")


class Checks(Struct, frozen=True):
    """What `# check=` asks of the linter.

    Attributes:
        skip: names of rules in lower case, or "all".
        experimental: rules to switch on, or "all".
        error: a finding fails the build.
    """

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False


class Directives(Struct, frozen=True, kw_only=True):
    """The directives of a Dockerfile.

    Attributes:
        syntax: of an image that understands the file, "" for none.
        escape: the character that escapes and continues lines.
        count: lines they take.
    """

    syntax: str = ""
    escape: str = "\\"
    checks: Checks = field(default_factory=Checks)
    count: int = 0


def find_directives(lines: Sequence[str]) -> Directives:
    """Read the directives at the top; `lines` come without a byte order mark.

    Raises:
        DockerfileProblem: one stands twice, or has a value it cannot have.
    """
    start = 1 if lines and lines[0].startswith("#!") else 0
    found: dict[str, str] = {}
    count = start
    for number, line in enumerate(lines[start:], start + 1):
        pair = _directive(line, "#")
        if pair is None:
            break
        name, value = pair
        if name in found:
            raise DockerfileProblem(f"only one {name} parser directive can be used", number)
        if name == "escape" and value not in _ESCAPES:
            raise DockerfileProblem(
                f"invalid escape token '{value[:40]}' does not match ` or \\", number
            )
        found[name] = value
        count = number
    syntax = found.get("syntax", "") or _foreign_syntax(lines[start:])
    return Directives(
        syntax=syntax.partition(" ")[0],
        escape=found.get("escape", "\\"),
        checks=parse_checks(found.get("check", "")),
        count=count,
    )


def _directive(line: str, comment: str) -> tuple[str, str] | None:
    text = line.lstrip()
    if not text.startswith(comment):
        return None
    match = _DIRECTIVE.fullmatch(text.removeprefix(comment).strip())
    if match is None or match[1].lower() not in _KNOWN:
        return None
    return match[1].lower(), match[2]


def _foreign_syntax(lines: Sequence[str]) -> str:
    """Syntax of a file in another language: `// syntax=…`, or `{"syntax": "…"}`."""
    for line in lines:
        pair = _directive(line, "//")
        if pair is None:
            break
        if pair[0] == "syntax":
            return pair[1]
    if not lines or not lines[0].lstrip().startswith("{"):
        return ""
    try:
        document = msgspec.json.decode("\n".join(lines), type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return ""
    syntax = document.get("syntax", "")
    return syntax if isinstance(syntax, str) else ""


def parse_checks(text: str) -> Checks:
    """Read the value of `# check=` ("skip=A,B;error=true"); words it does not know are ignored."""
    options: dict[str, str] = {}
    for option in text.split(";"):
        key, _, value = option.partition("=")
        options[key.strip().lower()] = value.strip()
    return Checks(
        skip=_names(options.get("skip", "")),
        experimental=_names(options.get("experimental", "")),
        error=options.get("error", "").lower() in ("true", "1", "t"),
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
