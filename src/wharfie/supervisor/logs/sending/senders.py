"""All logs that are sent away, and the threads that look their receivers' names up."""

from __future__ import annotations

from collections.abc import Callable

from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.logs.sending import messages
from wharfie.supervisor.logs.sending.target import Target
from wharfie.supervisor.logs.settings import LogSettings
from wharfie.supervisor.loop import Loop
from wharfie.supervisor.protocol import ProtocolError
from wharfie.supervisor.streams.writers import Writers

RESOLVERS = 16
"""Threads at most: a dead name server delays the logs that need it, and nobody else."""


class Senders:
    """Makes targets and knows those that have not finished."""

    def __init__(
        self, loop: Loop, diagnostics: Diagnostics, *, on_finished: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._diagnostics = diagnostics
        self._on_finished = on_finished
        self._resolver = Writers(loop, max_threads=RESOLVERS)
        self._targets: set[Target] = set()

    @property
    def count(self) -> int:
        """Logs of ended tasks that still have something to send."""
        return sum(target.is_finishing for target in self._targets)

    def target(self, settings: LogSettings, on_room: Callable[[], None]) -> Target:
        """Where a log's output goes; ProtocolError for settings that cannot be."""
        try:
            plan = messages.plan(settings)
        except (ValueError, KeyError) as error:
            raise ProtocolError(f"log: {error}") from None
        target = Target(
            self._loop,
            self._resolver,
            plan,
            self._diagnostics,
            on_room=on_room,
            on_finished=self._forget,
        )
        self._targets.add(target)
        return target

    def _forget(self, target: Target) -> None:
        self._targets.discard(target)
        self._on_finished()
