"""One line of comma-separated fields, quoted as in CSV: `type=bind,"src=/a,b",dst=/c`."""

from __future__ import annotations


def split_fields(line: str) -> list[str]:
    """Split a line at its commas.

    Raises:
        ValueError: a quote stands where none may, in the words of Go's csv reader.
    """
    fields: list[str] = []
    at = 0
    while True:
        if line.startswith('"', at):
            field, at = _quoted(line, at)
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            field = line[at:end]
            if '"' in field:
                column = at + field.index('"') + 1
                raise ValueError(
                    f'parse error on line 1, column {column}: bare " in non-quoted-field'
                )
            at = end
        fields.append(field)
        if at >= len(line):
            return fields
        at += 1


def _quoted(line: str, at: int) -> tuple[str, int]:
    at += 1
    out: list[str] = []
    while True:
        end = line.find('"', at)
        if end < 0:
            raise _stray_quote(len(line) + 1)
        out.append(line[at:end])
        if line.startswith('""', end):
            out.append('"')
            at = end + 2
            continue
        at = end + 1
        if at < len(line) and line[at] != ",":
            raise _stray_quote(at)
        return "".join(out), at


def _stray_quote(column: int) -> ValueError:
    return ValueError(
        f'parse error on line 1, column {column}: extraneous or missing " in quoted-field'
    )
