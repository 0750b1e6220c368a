""" "Did you mean …?" for misspelled words."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_DISTANCE = 3
_MAX_WORD = 40


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """` (did you mean X?)` for the option nearest to a word, "" where none is near."""
    near = nearest(word, options)
    return f" (did you mean {near}?)" if near else ""


def nearest(word: str, options: Iterable[str]) -> str:
    """The option fewest edits away (at most two), "" for none."""
    if len(word) > _MAX_WORD:
        return ""
    best, fewest = "", _MAX_DISTANCE
    for option in options:
        if abs(len(option) - len(word)) >= _MAX_DISTANCE:
            continue
        distance = edits(word.lower(), option.lower())
        if 0 < distance < fewest:
            best, fewest = option, distance
    return best


def edits(one: str, other: str) -> int:
    """Insertions, deletions and changes that lead from one word to the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, letter in enumerate(other, 1):
            previous, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, previous + (char != letter)),
            )
    return row[-1]
