"""Sizes and spans of time for people, spelt as Docker spells them.

Sizes are decimal with four significant digits (`1.132MB`) or binary (`7.5MiB`); parsing always
takes binary multiples. Source: the behaviour of Docker's client for sizes, `--memory`, CREATED.
"""

from __future__ import annotations

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MINUTE, _HOUR = 60, 3600
_DAY = 24 * _HOUR
MAX_INT64 = 2**63 - 1


def significant(value: float, digits: int) -> str:
    """Format like C's and Go's `%.<digits>g`."""
    return f"{value:.{digits}g}"


def _scaled(size: float, base: float, names: tuple[str, ...]) -> tuple[float, str]:
    step = 0
    while size >= base and step < len(names) - 1:
        size /= base
        step += 1
    return size, names[step]


def human_size(size: float, digits: int = 4) -> str:
    """Spell a size in decimal units: `human_size(1132000)` is `1.132MB`."""
    value, unit = _scaled(float(size), 1000.0, _DECIMAL)
    return significant(value, digits) + unit


def binary_size(size: float) -> str:
    """Spell a size in binary units: `binary_size(7864320)` is `7.5MiB`."""
    value, unit = _scaled(float(size), 1024.0, _BINARY)
    return significant(value, 4) + unit


def parse_size(text: str) -> int:
    """Read `512m`, `1.5g`, `64 KiB` as bytes, every unit a power of 1024.

    Raises:
        ValueError: in Docker's words.
    """
    return _parse(text, 1024.0)


def parse_decimal_size(text: str) -> int:
    """The same, every unit a power of 1000; `max-size` of a log is one.

    Raises:
        ValueError: in Docker's words.
    """
    return _parse(text, 1000.0)


def _parse(text: str, base: float) -> int:
    cut = -1
    for index, char in enumerate(text):
        if char in "0123456789. ":
            cut = index
    if cut < 0:
        raise ValueError(f"invalid size: '{text}'")
    if text[cut] == " ":
        number, suffix = text[:cut], text[cut + 1 :]
    else:
        number, suffix = text[: cut + 1], text[cut + 1 :]
    try:
        value = float(number) if number.strip() == number and "_" not in number else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": invalid syntax')
    power = _power(suffix.lower())
    if power is None:
        raise ValueError(f"invalid suffix: '{suffix}'")
    size = value * base**power
    return int(size) if size < MAX_INT64 else MAX_INT64


def _power(suffix: str) -> int | None:
    """Return the power of 1024 of a unit; None when it is none."""
    if suffix[:1] not in _POWERS:
        return None
    power = _POWERS[suffix[:1]]
    rest = suffix[1:]
    if suffix.startswith("b") or not suffix:
        return power if not rest else None
    return power if rest in {"", "b", "ib"} else None


def human_duration(seconds: float) -> str:
    """Spell a span of time roughly: `Less than a second`, `About a minute`, `3 weeks`."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < _MINUTE:
        return f"{whole} seconds"
    minutes = int(seconds / _MINUTE)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    return _long_duration(hours)


def _long_duration(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
