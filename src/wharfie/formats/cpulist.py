"""Lists of processors or memory nodes as the kernel writes them: "0-3,8". Source: cpuset(7)."""

from __future__ import annotations

_MOST = 8192
"""More than any kernel counts."""


def parse_cpu_list(text: str) -> frozenset[int]:
    """The numbers of a list; an empty text is an empty list.

    Raises:
        ValueError: another form, or a range that runs backwards.
    """
    found: set[int] = set()
    if not text.strip():
        return frozenset()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ValueError(f"invalid format: {text}")
        low, high = int(first), int(last or first)
        if high < low or high >= _MOST:
            raise ValueError(f"invalid format: {text}")
        found.update(range(low, high + 1))
    return frozenset(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MOST))
