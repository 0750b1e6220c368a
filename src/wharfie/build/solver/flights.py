"""Flights: equal work under way is done once, for all who want it; and for nobody, not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

from wharfie.model.build.progress import BuildMessage, ProgressSink
from wharfie.model.nursery import Nursery

T = TypeVar("T")
_REMEMBERED = 2000


class Flight:
    """One piece of work under way; a sink that tells everybody who waits for it."""

    def __init__(self) -> None:
        self.waiters = 0
        self.cancel: Callable[[], object] = _nothing
        self._told: list[BuildMessage] = []
        self._sinks: list[ProgressSink] = []

    def tell(self, message: BuildMessage) -> None:
        """Pass a message on, and keep it for those who come later."""
        if len(self._told) < _REMEMBERED:
            self._told.append(message)
        for sink in self._sinks:
            sink.tell(message)

    def listen(self, sink: ProgressSink) -> None:
        """Hear what was told so far, and what follows."""
        for message in self._told:
            sink.tell(message)
        self._sinks.append(sink)

    def leave(self, sink: ProgressSink) -> None:
        """Hear no more."""
        self._sinks.remove(sink)


class Flights(Generic[T]):
    """Work under way, by key."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._flights: dict[str, tuple[Flight, asyncio.Future[T]]] = {}

    async def join(
        self,
        key: str,
        work: Callable[[Flight], Coroutine[object, object, T]],
        sink: ProgressSink,
        what: str,
    ) -> T:
        """The result of `work`, begun here unless it is under way.

        Whoever is cancelled leaves; when the last one has left the work is cancelled, and has
        ended when this returns.

        Args:
            key: of equal work.
            work: is given the flight to tell progress to.
            sink: hears of that progress, from its beginning.
            what: names it in reports.
        """
        known = self._flights.get(key)
        if known is None:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            flight = Flight()
            self._flights[key] = known = (flight, future)
            flight.cancel = self._nursery.begin(self._run(key, flight, future, work), what)
        flight, future = known
        flight.listen(sink)
        flight.waiters += 1
        try:
            return await asyncio.shield(future)
        finally:
            flight.waiters -= 1
            flight.leave(sink)
            if not flight.waiters and not future.done():
                self._forget(key, flight)
                flight.cancel()
                await asyncio.wait([future])

    async def _run(
        self,
        key: str,
        flight: Flight,
        future: asyncio.Future[T],
        work: Callable[[Flight], Coroutine[object, object, T]],
    ) -> None:
        try:
            result = await work(flight)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - raised in everybody who waits
            future.set_exception(error)
            future.exception()  # the last one may have left meanwhile
        else:
            future.set_result(result)
        finally:
            self._forget(key, flight)

    def _forget(self, key: str, flight: Flight) -> None:
        if key in self._flights and self._flights[key][0] is flight:
            del self._flights[key]


def _nothing() -> None:
    return None
