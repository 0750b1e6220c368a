"""Detach keys: finds a byte sequence in typed input, whatever the chunk boundaries."""

from __future__ import annotations


class DetachKeys:
    """Holds back what may become the sequence, passes it on when it does not.

    With keys "ab", input "a" passes nothing, "c" then passes "ac", "b" instead detaches.
    """

    __slots__ = ("_keys", "_matched")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return the bytes to pass on and whether the sequence was completed.

        Input after a completed sequence is dropped.
        """
        if not self._keys:
            return data, False
        held = self._keys[: self._matched] + data
        found = held.find(self._keys)
        if found >= 0:
            self._matched = 0
            return held[:found], True
        for size in range(min(len(self._keys) - 1, len(held)), 0, -1):
            if held.endswith(self._keys[:size]):
                self._matched = size
                return held[:-size], False
        self._matched = 0
        return held, False

    def flush(self) -> bytes:
        """The input ended: the bytes held back."""
        held, self._matched = self._keys[: self._matched], 0
        return held
