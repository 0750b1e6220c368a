"""Signal names as Docker spells them. Source: behaviours 54; signal(7)."""

from __future__ import annotations

import re
import signal

from wharfie.model.errors import InvalidArgument

_REALTIME = re.compile(r"RTM(?:IN(?:\+(\d+))?|AX(?:-(\d+))?)")
_RTMIN, _RTMAX = 34, 64


def parse_signal(text: str) -> int:
    """Return the number of "TERM", "SIGTERM", "15" or "RTMIN+3".

    Raises:
        InvalidArgument: `invalid signal: …`.
    """
    name = text.strip().upper().removeprefix("SIG")
    number = int(name) if name.isdecimal() else _named(name)
    if not 0 < number <= _RTMAX:
        raise InvalidArgument(f"invalid signal: {text}")
    return number


def _named(name: str) -> int:
    known = getattr(signal, f"SIG{name}", None)
    if isinstance(known, signal.Signals):
        return int(known)
    match = _REALTIME.fullmatch(name)
    if match is None:
        return 0
    above, below = match.group(1), match.group(2)
    number = _RTMIN + int(above or 0) if name.startswith("RTMIN") else _RTMAX - int(below or 0)
    return number if _RTMIN <= number <= _RTMAX else 0
