"""A session's connection: channels the daemon opens to a client (`formats.session.frames`).

One reader takes frames off the connection and hands them to their channels; a channel whose taker
is slow holds up the connection, which is that of one build alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

from wharfie.formats.session import frames
from wharfie.formats.session.frames import Decoder, Frame, FrameError
from wharfie.model.errors import Conflict, InvalidArgument, NotFound, Unavailable

_READ = 1 << 18
_WAITING = 32
_MAX_CHANNELS = 65535
_ARRIVAL_SECONDS = 10.0
_MAX_SESSIONS = 256


class ChannelRefused(NotFound):
    """The client does not lend what was asked for."""


class Channel:
    """One thing lent; see `model.build.contexts.ContextDialog`."""

    def __init__(self, owner: LentSession, number: int) -> None:
        self._owner = owner
        self._number = number
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(_WAITING)
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What the client sends.

        Raises:
            ChannelRefused: it has nothing of this name.
            InvalidArgument: it failed, and says why.
            Unavailable: it is gone.
        """
        while not self._ended:
            frame = await self._queue.get()
            if frame.kind == frames.DATA:
                yield frame.payload
            elif frame.kind == frames.END:
                self._ended = True
            else:
                self._ended = True
                text = frame.payload.decode(errors="replace")
                if not text:
                    raise ChannelRefused("the client does not lend it")
                raise InvalidArgument(text)

    async def tell(self, message: bytes) -> None:
        """Send to the client."""
        for start in range(0, len(message), frames.MAX_PAYLOAD):
            piece = message[start : start + frames.MAX_PAYLOAD]
            await self._owner.send(frames.DATA, self._number, piece)

    async def end(self) -> None:
        """Say that no more will be sent."""
        await self._owner.send(frames.END, self._number)

    async def close(self) -> None:
        """Give up, whatever is under way."""
        await self._owner.forget(self._number)

    async def take(self, frame: Frame) -> None:
        """Take a frame off the connection."""
        await self._queue.put(frame)

    def lose(self) -> None:
        """The connection is gone."""
        while self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(Frame(frames.FAIL, self._number, b"the client's session ended"))


class LentSession:
    """One client's session, while its connection lasts."""

    def __init__(self) -> None:
        self._channels: dict[int, Channel] = {}
        self._last = 0
        self._writer: asyncio.StreamWriter | None = None
        self._sending = asyncio.Lock()
        self._begun = asyncio.Event()
        self._closed = False

    async def serve(self, connection: int, early: bytes) -> None:
        """Read frames until the client is gone; `connection` is not closed."""
        sock = socket.socket(fileno=os.dup(connection))
        try:
            reader, self._writer = await asyncio.open_connection(sock=sock)
        except BaseException:
            self._closed = True
            sock.close()
            raise
        finally:
            self._begun.set()
        writer = self._writer
        decoder = Decoder()
        try:
            data = early
            while True:
                for frame in decoder.feed(data):
                    channel = self._channels.get(frame.channel)
                    if channel is not None:
                        await channel.take(frame)
                data = await reader.read(_READ)
                if not data:
                    return
        except (ConnectionError, FrameError):
            return
        finally:
            self._closed = True
            for channel in self._channels.values():
                channel.lose()
            writer.close()

    async def open(self, service: str, name: str) -> Channel:
        """Ask the client for something.

        Raises:
            Unavailable: it is gone.
        """
        for _ in range(_MAX_CHANNELS):
            self._last = self._last % _MAX_CHANNELS + 1
            if self._last not in self._channels:
                break
        channel = self._channels[self._last] = Channel(self, self._last)
        payload = f"{service}\0{name}".encode(errors="surrogateescape")
        try:
            await self.send(frames.OPEN, self._last, payload[: frames.MAX_PAYLOAD])
        except BaseException:
            self._channels.pop(self._last, None)
            raise
        return channel

    async def send(self, kind: int, channel: int, payload: bytes = b"") -> None:
        """Send one frame."""
        await self._begun.wait()
        if self._closed or self._writer is None:
            raise Unavailable("the client's session ended")
        async with self._sending:
            self._writer.write(frames.encode(kind, channel, payload))
            try:
                await self._writer.drain()
            except ConnectionError:
                raise Unavailable("the client's session ended") from None

    async def forget(self, number: int) -> None:
        """End a channel on both sides."""
        if self._channels.pop(number, None) is not None and not self._closed:
            try:
                await self.send(frames.FAIL, number)
            except Unavailable:
                return


class Sessions:
    """Sessions by their ID."""

    def __init__(self) -> None:
        self._sessions: dict[str, LentSession] = {}
        self._changed = asyncio.Condition()

    def check(self, id_: str) -> None:
        """Refuse an ID that is none, or taken; before the connection is handed over.

        Raises:
            InvalidArgument, Conflict, Unavailable
        """
        if not 16 <= len(id_) <= 128 or not id_.isascii() or not id_.isalnum():
            raise InvalidArgument("malformed session ID")
        if id_ in self._sessions:
            raise Conflict("a session of this ID is open already")
        if len(self._sessions) >= _MAX_SESSIONS:
            raise Unavailable("too many build sessions")

    async def serve(self, id_: str, connection: int, early: bytes) -> None:
        """Hold a session as long as its connection lasts."""
        session = LentSession()
        self._sessions[id_] = session
        async with self._changed:
            self._changed.notify_all()
        try:
            await session.serve(connection, early)
        finally:
            self._sessions.pop(id_, None)

    async def find(self, id_: str) -> LentSession:
        """A session that is open, or about to be.

        Raises:
            NotFound: it does not come.
        """
        try:
            async with asyncio.timeout(_ARRIVAL_SECONDS), self._changed:
                await self._changed.wait_for(lambda: id_ in self._sessions)
                return self._sessions[id_]
        except TimeoutError:
            raise NotFound("no such session") from None
