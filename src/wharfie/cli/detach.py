"""Keys that end an attachment without ending the container: `ctrl-p,ctrl-q` and the like."""

from __future__ import annotations

DEFAULT = b"\x10\x11"
_SPECIAL = "@[\\]^_"


def parse_keys(text: str) -> bytes:
    """Read a key sequence: single characters and `ctrl-` with a letter or one of `@[\\]^_`.

    Raises:
        ValueError: something is no key.
    """
    found = bytearray()
    for key in text.split(","):
        if len(key) == 1:
            found += key.encode()
            continue
        letter = key.removeprefix("ctrl-")
        if letter == key or len(letter) != 1 or not ("a" <= letter <= "z" or letter in _SPECIAL):
            raise ValueError(f"Unknown character: '{key}'")
        found.append(_control(letter))
    return bytes(found)


def _control(letter: str) -> int:
    if "a" <= letter <= "z":
        return ord(letter) - ord("a") + 1
    return 0 if letter == "@" else 27 + _SPECIAL.index(letter) - 1


class Scanner:
    """Looks for the sequence in what is typed; typed keys that only began it are passed on."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._met = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the sequence is complete."""
        out = bytearray()
        for byte in data:
            if byte != self._keys[self._met]:
                out += self._keys[: self._met]
                self._met = 0
            if byte != self._keys[self._met]:
                out.append(byte)
                continue
            self._met += 1
            if self._met == len(self._keys):
                self._met = 0
                return bytes(out), True
        return bytes(out), False
