"""Which operations are timed, and as what action of which kind of object."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from wharfie.api.operations import Operation, Outcome
from wharfie.api.services import Context
from wharfie.model.measures import Actions, Measures


class Timings:
    """Times operations that succeed, by the measures of the engine."""

    def __init__(self, measures: Measures) -> None:
        self._actions: dict[str, tuple[Actions, str]] = {
            "POST /containers/create": (measures.containers, "create"),
            "POST /containers/{ref}/start": (measures.containers, "start"),
            "DELETE /containers/{ref}": (measures.containers, "delete"),
            "GET /containers/{ref}/changes": (measures.containers, "changes"),
            "POST /commit": (measures.containers, "commit"),
            "DELETE /images/{ref}": (measures.images, "delete"),
            "GET /info": (measures.host_info, "system_info"),
        }

    def handle(
        self, operation: Operation, context: Context, command: object
    ) -> Outcome | Awaitable[Outcome]:
        """Have an operation handled."""
        found = self._actions.get(operation.name)
        if found is None:
            return operation.handle(context, command)
        began = time.monotonic()
        outcome = operation.handle(context, command)
        if isinstance(outcome, Awaitable):
            return _timed(*found, began, outcome)
        found[0].add(found[1], time.monotonic() - began)
        return outcome


async def _timed(actions: Actions, name: str, began: float, pending: Awaitable[Outcome]) -> Outcome:
    outcome = await pending
    actions.add(name, time.monotonic() - began)
    return outcome
