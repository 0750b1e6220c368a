"""Detach keys: "ctrl-p,ctrl-q" ↔ the bytes a terminal sends. Source: cli.md §7, behaviours 88."""

from __future__ import annotations

DEFAULT = b"\x10\x11"
_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse(text: str) -> bytes:
    """Return the bytes of a comma-separated key sequence; "" gives the default.

    Raises:
        ValueError: a key that is neither a character nor `ctrl-` and one of a-z @ [ \\ ] ^ _.
    """
    if not text:
        return DEFAULT
    return bytes(_key(word, text) for word in text.split(","))


def _key(word: str, text: str) -> int:
    if len(word) == 1 and ord(word) < 128:
        return ord(word)
    name = word.removeprefix("ctrl-")
    if word.startswith("ctrl-") and len(name) == 1:
        if "a" <= name <= "z":
            return ord(name) - ord("a") + 1
        if name in _CONTROL:
            return _CONTROL[name]
    raise ValueError(f"Invalid detach keys ({text}) provided")
