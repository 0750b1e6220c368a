"""Text that a terminal or a log viewer shows as it is, and does not obey.

Control characters (C0, DEL, C1: with them a terminal is steered) and those that turn the
direction of writing around (with them a line shows something else than it holds) are spelled as
`\\u001b`. Source: Unicode Standard Annex 9; ECMA-48.
"""

from __future__ import annotations

import re

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def make_printable(text: str, *, keep: str = "") -> str:
    """Spell out what would be obeyed, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return _OBEYED.sub(lambda m: m[0] if m[0] in keep else f"\\u{ord(m[0]):04x}", text)
