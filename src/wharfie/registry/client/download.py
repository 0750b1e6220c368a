"""Downloading a blob: what is missing of it, in ranges side by side, until it is whole.

The missing pieces are joined to spans and handed to a few workers in order, so that the beginning
is there first and can be unpacked while the rest still comes. A registry without ranges sends
everything in one stream, of which only the missing is kept. What breaks off is tried again from
where it broke off; only tries that bring no byte count against the limit.

Source: RFC 9110 section 14; OCI distribution specification, "Pulling blobs".
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable, Sequence

from wharfie.model.content import Descriptor, PartialBlob
from wharfie.model.registry import RegistryMisbehaves
from wharfie.registry.client.refusals import Refused
from wharfie.registry.client.session import Session
from wharfie.web.client import ConnectionLost, Reply, RequestError, Url

_SPAN = 8 << 20
_BATCH = 1 << 20
_MAX_PAUSE = 20.0
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Download:
    """One blob's download from one endpoint.

    Args:
        session: of the endpoint.
        url: of the blob there.
        descriptor: of the blob.
        into: keeps what comes.
        progress: called when bytes were added.
        attempts: tries without a new byte before it fails.
        connections: workers side by side.
        back_off: seconds before the second try.
    """

    def __init__(
        self,
        session: Session,
        url: Url,
        descriptor: Descriptor,
        into: PartialBlob,
        progress: Callable[[], None],
        *,
        attempts: int,
        connections: int,
        back_off: float,
    ) -> None:
        self._session = session
        self._url = url
        self._final = url
        self._descriptor = descriptor
        self._into = into
        self._progress = progress
        self._attempts = attempts
        self._connections = connections
        self._back_off = back_off
        self._has_ranges = True
        self._failure: RequestError | Refused | None = None
        self._spans: deque[tuple[int, int]] = deque()
        self._memory: list[bytearray] = []

    async def run(self) -> None:
        """Fetch until nothing is missing.

        Raises:
            Refused: the registry says no.
            RequestError: it cannot be reached, or breaks off again and again.
            RegistryMisbehaves: it sends something else.
        """
        failures = 0
        while self._into.gaps():
            before = self._into.present
            try:
                await self._round()
            except (RequestError, Refused) as error:
                if isinstance(error, Refused) and not self._is_passing(error):
                    raise
                failures = 1 if self._into.present > before else failures + 1
                if failures >= self._attempts:
                    raise
                self._final = self._url
                await asyncio.sleep(self._pause(failures, error))

    def _is_passing(self, error: Refused) -> bool:
        # A signed URL a registry redirects to runs out: the registry makes a new one.
        return error.is_passing or (self._final != self._url and error.status in (401, 403, 410))

    def _pause(self, failures: int, error: Exception) -> float:
        pause = self._back_off * 2.0 ** (failures - 1) * (0.5 + random.random())  # noqa: S311 - jitter
        if isinstance(error, Refused) and error.retry_after is not None:
            pause = max(pause, error.retry_after)
        return min(pause, _MAX_PAUSE)

    async def _round(self) -> None:
        """One try at all that is missing; after a failure no further span is begun."""
        self._failure = None
        self._spans = deque(spans_of(self._into.gaps()))
        if not self._has_ranges:
            await self._whole()
            return
        first = self._spans.popleft()
        try:
            async with asyncio.TaskGroup() as group:

                def more() -> None:
                    for _ in range(min(self._connections - 1, len(self._spans))):
                        group.create_task(self._work())

                await self._guarded(*first, on_partial=more)
                await self._work()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if self._failure is not None:
            raise self._failure

    async def _work(self) -> None:
        while self._spans:
            start, end = self._spans.popleft()
            await self._guarded(start, end, on_partial=None)

    async def _guarded(self, start: int, end: int, on_partial: Callable[[], None] | None) -> None:
        """Fetch a span; when it breaks off, the others may still come to their end."""
        try:
            await self._span(start, end, on_partial)
        except (RequestError, Refused) as error:
            self._failure = self._failure or error
            self._spans.clear()

    async def _span(self, start: int, end: int, on_partial: Callable[[], None] | None) -> None:
        size = self._descriptor.size
        headers = {} if (start, end) == (0, size) else {"Range": f"bytes={start}-{end - 1}"}
        async with self._session.exchange("GET", self._final, headers=headers) as (reply, url):
            self._final = url
            self._check_encoding(reply)
            if reply.status == 206:
                self._check_range(reply, start, end)
                if on_partial is not None:
                    on_partial()
                await self._store(reply, start, end)
            elif reply.status == 200:
                if headers and on_partial is None:
                    raise ConnectionLost("the registry stopped serving ranges")
                self._has_ranges = not headers
                self._spans.clear()
                await self._skip_and_store(reply)
            elif reply.status == 416 and headers:
                self._has_ranges = False
                raise ConnectionLost("the registry refuses ranges")
            else:
                raise await self._session.refuse(reply, url)

    async def _whole(self) -> None:
        async with self._session.exchange("GET", self._final) as (reply, url):
            self._final = url
            self._check_encoding(reply)
            if reply.status != 200:
                raise await self._session.refuse(reply, url)
            await self._skip_and_store(reply)

    async def _store(self, reply: Reply, start: int, end: int) -> None:
        """Keep a body that belongs to [start, end)."""
        memory = self._memory.pop() if self._memory else bytearray(_BATCH)
        async for piece in reply.pieces(memory):
            if start + len(piece) > end:
                raise self._misbehaves("sends more bytes than were asked for")
            await self._keep(start, piece)
            start += len(piece)
        if start < end:
            raise ConnectionLost(f"unexpected EOF: {end - start} bytes are missing")
        # Only now: of a write that was cancelled the thread may still be at work.
        self._memory.append(memory)

    async def _skip_and_store(self, reply: Reply) -> None:
        """Keep of a whole body what is missing."""
        size = self._descriptor.size
        if reply.length is not None and reply.length != size:
            raise self._misbehaves(f"announces {size} bytes and sends {reply.length}")
        gaps = deque(self._into.gaps())
        position = 0
        async for data in reply.pieces(bytearray(_BATCH)):
            end = position + len(data)
            if end > size:
                raise self._misbehaves(f"announces {size} bytes and sends more")
            while gaps and gaps[0][0] < end:
                start, stop = gaps[0]
                piece = data[start - position : stop - position]
                await self._keep(start, piece)
                if start + len(piece) < stop:
                    gaps[0] = (start + len(piece), stop)
                    break
                gaps.popleft()
            position = end
        if position < size:
            # A body with a length that ends early is a broken connection and raised before.
            raise self._misbehaves(f"announces {size} bytes and sends {position}")

    async def _keep(self, offset: int, data: memoryview) -> None:
        await self._into.write(offset, data)
        self._progress()

    def _check_range(self, reply: Reply, start: int, end: int) -> None:
        found = _RANGE.fullmatch(reply.headers.get("content-range", "").strip())
        if found is None or (int(found[1]), int(found[2]) + 1) != (start, end):
            given = reply.headers.get("content-range", "none")[:80]
            raise self._misbehaves(f"was asked for bytes {start}-{end - 1} and sends {given}")
        if found[3] != "*" and int(found[3]) != self._descriptor.size:
            raise self._misbehaves(f"announces {self._descriptor.size} bytes and has {found[3]}")
        if reply.length is not None and reply.length != end - start:
            raise self._misbehaves(f"sends {reply.length} bytes for a range of {end - start}")

    def _check_encoding(self, reply: Reply) -> None:
        encoding = reply.headers.get("content-encoding", "identity").lower()
        if reply.status in (200, 206) and encoding not in ("", "identity"):
            raise self._misbehaves(f"sends a blob with content encoding {encoding[:40]!r} unasked")

    def _misbehaves(self, text: str) -> RegistryMisbehaves:
        registry = self._session.endpoint.url.authority
        return RegistryMisbehaves(f"registry {registry}: blob {self._descriptor.digest}: {text}")


def spans_of(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjacent gaps joined, up to a span's size."""
    spans: list[tuple[int, int]] = []
    for start, end in gaps:
        if spans and spans[-1][1] == start and end - spans[-1][0] <= _SPAN:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans
