"""Files of `NAME=value` lines: `--env-file` and `--label-file`.

Lines that begin with `#` are comments, nothing is unquoted, a name without `=` takes its value
from our environment in env files, and says nothing otherwise.
"""

from __future__ import annotations

import os

from wharfie.cli.config import read_file
from wharfie.cli.errors import CommandError


def read_pairs(path: str, *, inherit: bool) -> list[str]:
    """Return the lines of a file.

    Raises:
        CommandError: it cannot be read, is not UTF-8, or a name holds white space.
    """
    try:
        data = read_file(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"open {path}: {reason}", code=125) from None
    if data is None:
        raise CommandError(f"open {path}: no such file or directory", code=125)
    found: list[str] = []
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise CommandError(
                f"invalid env file ({path}): invalid utf8 bytes at line {number}: {raw!r}", code=125
            ) from None
        if line and not line.startswith("#"):
            found += _pair(path, line, inherit=inherit)
    return found


def _pair(path: str, line: str, *, inherit: bool) -> list[str]:
    name, equals, _ = line.partition("=")
    problem = ""
    if not name.strip():
        problem = f"no variable name on line '{line}'"
    elif any(char in " \t" for char in name):
        problem = f"variable '{name}' contains whitespaces"
    if problem:
        raise CommandError(f"invalid env file ({path}): {problem}", code=125)
    if equals:
        return [line]
    if inherit and name in os.environ:
        return [f"{name}={os.environ[name]}"]
    return []


def collect(files: list[str], given: list[str], *, inherit: bool) -> list[str]:
    """Return the pairs of all files, then the given ones."""
    found: list[str] = []
    for path in files:
        found += read_pairs(path, inherit=inherit)
    return found + given


def to_map(pairs: list[str]) -> dict[str, str]:
    """Return pairs as a map; a later one wins."""
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
