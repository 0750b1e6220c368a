"""Columns from tab-separated cells, aligned as Docker's tables are.

A cell that ends in a tab belongs to a column; a column is a block of consecutive lines that have
such a cell at the same place, and is as wide as its widest cell plus padding. Text after a line's
last tab belongs to no column. Source: the documented rules of elastic tab stops (Go's tabwriter).
"""

from __future__ import annotations


def tabulate(text: str, *, least: int = 10, padding: int = 3) -> str:
    """Align the cells of a text whose lines end in newlines."""
    ended = text.endswith("\n")
    lines = [line.split("\t") for line in text.split("\n")]
    if ended:
        lines.pop()
    widths: list[list[int]] = [[] for _ in lines]
    _measure(lines, widths, (0, len(lines)), column=0, least=least, padding=padding)
    out = []
    for cells, columns in zip(lines, widths, strict=True):
        padded = [cell.ljust(width) for cell, width in zip(cells, columns, strict=False)]
        out.append("".join(padded) + "".join(cells[len(columns) :]))
    return "\n".join(out) + ("\n" if ended else "")


def _measure(
    lines: list[list[str]],
    widths: list[list[int]],
    block: tuple[int, int],
    *,
    column: int,
    least: int,
    padding: int,
) -> None:
    """Set the widths of `column` and those right of it in a block of lines."""
    at, end = block
    while at < end:
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        stop = at
        width = least
        while stop < end and column < len(lines[stop]) - 1:
            width = max(width, len(lines[stop][column]) + padding)
            stop += 1
        for index in range(at, stop):
            widths[index].append(width)
        _measure(lines, widths, (at, stop), column=column + 1, least=least, padding=padding)
        at = stop
