"""The entrance of a server: how many connections are let in, and which ones are not at all.

TCP and unix sockets are counted apart, so that a flood from the network leaves the way in for the
administrator open. What is turned away is closed before a byte of it was read.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

_log = logging.getLogger(__name__)
_QUIET = 60.0

Barrier = Callable[[socket.socket, str], str]
"""Why a TCP connection is not let in, "" when it is; given its socket, and the address its
listener is bound to."""


class Entrance:
    """Counts who is inside, by "unix" and "tcp".

    Args:
        limit: connections of either kind.
        barrier: asked for every TCP connection; None lets all in.
        clock: seconds.
    """

    def __init__(
        self, limit: int, barrier: Barrier | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._barrier = barrier
        self._clock = clock
        self._inside: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    def admits(self, held: socket.socket, bound: str) -> bool:
        """Tell whether a fresh connection may stay; why not is logged, at most once a minute.

        Args:
            held: its socket, as the event loop's transport shows it.
            bound: address of the listener.
        """
        reason = self._refusal(held, bound)
        if not reason:
            return True
        now = self._clock()
        if now - self._said.get(reason, -_QUIET) >= _QUIET:
            self._said[reason] = now
            _log.warning("connections are closed at once: %s", reason)
        return False

    def entered(self, kind: str) -> None:
        """One more is inside."""
        self._inside[kind] += 1

    def left(self, kind: str) -> None:
        """One less is inside."""
        self._inside[kind] -= 1

    def _refusal(self, held: socket.socket, bound: str) -> str:
        kind = "unix" if held.family == socket.AF_UNIX else "tcp"
        if self._inside[kind] >= self._limit:
            return f"{self._limit} {kind} connections are open, the most there may be"
        if kind == "unix" or self._barrier is None:
            return ""
        # The loop's own socket object offers few of a socket's methods.
        with closing(socket.socket(fileno=os.dup(held.fileno()))) as mine:
            return self._barrier(mine, bound)
