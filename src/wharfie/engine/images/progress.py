"""Progress of long verbs: messages of several workers as one stream that never holds them up.

A client that reads slowly gets fewer messages, not a slower pull: what is only a newer number
replaces the older one. Closing the stream cancels the work and waits for its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

Progress = dict[str, object]
"""One message, as Docker's JSON ("status", "id", "progressDetail", …)."""

_EVERY = 0.1


class Board:
    """Where workers put messages."""

    def __init__(self) -> None:
        self._messages: list[Progress] = []
        self._numbers: dict[tuple[str, str], Progress] = {}
        self._last: dict[str, float] = {}
        self._changed = asyncio.Event()

    def post(self, message: Progress) -> None:
        """A message that must arrive."""
        self._messages.append(message)
        self._changed.set()

    def status(self, text: str, name: str = "") -> None:
        """A status, of the layer `name` where one is given."""
        # Each has its detail: clients tell by it that the line may be overwritten.
        self.post({"status": text, "progressDetail": {}, "id": name} if name else {"status": text})

    def count(self, text: str, name: str, current: int, total: int) -> None:
        """How far a layer is; a newer number replaces one that was not sent yet."""
        now = time.monotonic()
        if current < total and now - self._last.get(name, 0.0) < _EVERY:
            return
        self._last[name] = now
        known = self._numbers.get((name, text))
        detail = {"current": current, "total": total}
        if known is not None:
            known["progressDetail"] = detail
            return
        message: Progress = {"status": text, "progressDetail": detail, "id": name}
        self._numbers[name, text] = message
        self.post(message)

    def wake(self) -> None:
        """Let `wait` return: there will be no more."""
        self._changed.set()

    async def wait(self) -> None:
        """Return when there is something to take."""
        await self._changed.wait()

    def take(self) -> list[Progress]:
        """What was posted since the last time, in order."""
        messages, self._messages = self._messages, []
        self._numbers.clear()
        self._changed.clear()
        return messages


async def streamed(work: Callable[[Board], Awaitable[None]]) -> AsyncIterator[Progress]:
    """Run `work` and yield what it posts; its error comes after its messages.

    The work is a task of its own, since a generator may be resumed by any task; it ends with the
    generator, whichever way that ends.
    """
    board = Board()

    async def run() -> None:
        await work(board)

    loop = asyncio.get_running_loop()
    task = loop.create_task(run())
    task.add_done_callback(lambda _: board.wake())
    try:
        while not task.done():
            await board.wait()
            for message in board.take():
                yield message
        for message in board.take():
            yield message
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: either raised above, or the client is gone
