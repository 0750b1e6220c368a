"""File modes as chmod(1) takes them: octal ("0755") or symbolic ("u+x,go-w"). Pure.

Source: chmod(1); Dockerfile reference, `COPY --chmod`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

ModeChange = Callable[[int, bool], int]
"""From a mode, and whether it is a directory's, to the mode wanted."""

_OCTAL = re.compile(r"[0-7]{1,5}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_SPECIAL = {"u": 0o4000, "g": 0o2000, "o": 0}


class InvalidMode(ValueError):
    """Neither octal nor symbolic."""


def parse_mode(text: str) -> ModeChange:
    """What a mode makes of another.

    Raises:
        InvalidMode: it is none.
    """
    if _OCTAL.fullmatch(text) and int(text, 8) <= 0o7777:
        wanted = int(text, 8)
        return lambda _mode, _is_directory: wanted
    clauses = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise InvalidMode(f"invalid mode: {text!r}")
        clauses.append((found[1] or "a", _ACTION.findall(found[2])))

    def change(mode: int, is_directory: bool) -> int:
        for who, actions in clauses:
            for sign, letters in actions:
                mode = _apply(mode, who, sign, letters, is_directory=is_directory)
        return mode

    return change


def _apply(mode: int, who: str, sign: str, letters: str, *, is_directory: bool) -> int:
    targets = "ugo" if "a" in who else who
    bits = mask = 0
    for target in targets:
        shift = _SHIFTS[target]
        mask |= 0o7 << shift | _SPECIAL[target]
        bits |= _permissions(mode, letters, is_directory=is_directory) << shift
        if "s" in letters:
            bits |= _SPECIAL[target]
    if "t" in letters and ("a" in who or "o" in who):
        bits |= 0o1000
    if sign == "+":
        return mode | bits
    if sign == "-":
        return mode & ~bits
    if "a" in who or "o" in who:
        mask |= 0o1000
    if is_directory:
        mask &= ~0o6000  # as GNU chmod: those of directories stay
    return mode & ~mask | bits


def _permissions(mode: int, letters: str, *, is_directory: bool) -> int:
    bits = 0
    for letter in letters:
        if letter in _SHIFTS:
            bits |= mode >> _SHIFTS[letter] & 0o7
        elif letter == "X":
            bits |= 0o1 if is_directory or mode & 0o111 else 0
        else:
            bits |= {"r": 0o4, "w": 0o2, "x": 0o1}.get(letter, 0)
    return bits
