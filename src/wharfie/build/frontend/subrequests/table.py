"""Columns of text, and what comments say of a name."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, gap: int) -> str:
    """Left-aligned columns; the last one is not filled up."""
    lines = [head, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head) - 1)]
    return "".join(
        "".join(f"{cell:<{width + gap}}" for cell, width in zip(line, widths, strict=False))
        + f"{line[-1]}\n"
        for line in lines
    )


def comment_about(comments: Sequence[str], name: str) -> str:
    """What a comment of the form `# <name> <description>` says, "" for none."""
    if not name:
        return ""
    for comment in comments:
        word, _, description = comment.partition(" ")
        if word.lower() == name.lower():
            return description.strip()
    return ""
