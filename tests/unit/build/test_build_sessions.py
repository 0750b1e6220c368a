"""Sessions: the daemon's end and the client's, joined by a socket pair."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.build_fakes import FakeContexts
from wharfie.build.session import CallerSession, LentSession, Sessions
from wharfie.cli.building.lender import Lender, Refused
from wharfie.cli.building.lent import Agents, Secrets
from wharfie.client.daemon import Hijacked
from wharfie.client.dialing import Stream
from wharfie.model.errors import Conflict, InvalidArgument, NotFound, Unavailable


def joined(services: dict[str, Any], scene: Callable[[CallerSession], Awaitable[None]]) -> None:
    """Run a scene at the daemon's end of a session that lends services."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        lender = Lender(Hijacked(Stream(theirs), b""), services)  # type: ignore[arg-type]
        lender.start()
        lent = LentSession()
        store: Any = FakeContexts({})
        with ours, theirs:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(lent.serve(ours.fileno(), b""))
                await asyncio.sleep(0)
                session = CallerSession(store, {}, lent)
                try:
                    await scene(session)
                finally:
                    await session.close()
                    lender.close()
                    await serving

    asyncio.run(run())


def test_secrets_come_when_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\0binary\n" * 40_000)

    async def scene(session: CallerSession) -> None:
        assert await session.secret("token") == (tmp_path / "token").read_bytes()
        assert await session.secret("other") is None

    joined({"secret": Secrets([f"id=token,src={tmp_path}/token"]).lend}, scene)


def test_what_is_not_lent_is_not_there() -> None:
    async def scene(session: CallerSession) -> None:
        assert await session.secret("x") is None
        assert await session.ssh_agent("default") is None
        with pytest.raises(NotFound):
            await session.context("lib")

    joined({}, scene)


def test_a_client_says_why_it_fails() -> None:
    def lend(line: object, name: str) -> None:
        raise Refused(f"{name} is broken")

    async def scene(session: CallerSession) -> None:
        with pytest.raises(InvalidArgument, match="x is broken"):
            await session.secret("x")

    joined({"secret": lend}, scene)


def test_too_large_secrets_are_refused() -> None:
    def lend(line: Any, name: str) -> None:
        line.send(bytes(600 << 10))

    async def scene(session: CallerSession) -> None:
        with pytest.raises(InvalidArgument, match="larger than"):
            await session.secret("x")

    joined({"secret": lend}, scene)


def test_agents_are_spoken_to_in_both_directions(tmp_path: Path) -> None:
    def answer(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1000):
                    connection.sendall(b"answer to " + data)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        listener.listen(2)
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()

        async def scene(session: CallerSession) -> None:
            loop = asyncio.get_running_loop()
            sockets = []
            for _ in range(2):
                fd = await session.ssh_agent("default")
                assert fd is not None
                sockets.append(socket.socket(fileno=fd))
                sockets[-1].setblocking(False)
            for number, sock in enumerate(sockets):
                await loop.sock_sendall(sock, b"%d" % number)
                assert await loop.sock_recv(sock, 100) == b"answer to %d" % number
                sock.close()

        joined({"ssh": Agents([f"default={tmp_path}/agent"]).lend}, scene)
        thread.join(10)
        assert not thread.is_alive()


async def _refused(session: CallerSession) -> str:
    with pytest.raises(InvalidArgument) as refusal:
        await session.secret("x")
    return str(refusal.value)


def test_a_client_that_leaves_fails_what_is_under_way() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        lent = LentSession()
        store: Any = FakeContexts({})
        with ours:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(lent.serve(ours.fileno(), b""))
                await asyncio.sleep(0)
                asking = group.create_task(_refused(CallerSession(store, {}, lent)))
                await asyncio.get_running_loop().run_in_executor(None, theirs.recv, 7)
                theirs.close()
                assert "session ended" in await asking
                await serving
                with pytest.raises(Unavailable):
                    await lent.open("secret", "x")

    asyncio.run(run())


def test_sessions_have_names_of_their_own() -> None:
    async def run() -> None:
        sessions = Sessions()
        for bad in ("", "short", "a" * 200, "../../etc/passwd0123", "ümlautümlautümlaut"):
            with pytest.raises(InvalidArgument):
                sessions.check(bad)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(sessions.find("a" * 32))
                await asyncio.sleep(0)
                sessions.check("a" * 32)
                serving = group.create_task(sessions.serve("a" * 32, ours.fileno(), b""))
                assert isinstance(await finding, LentSession)
                with pytest.raises(Conflict):
                    sessions.check("a" * 32)
                theirs.close()
                await serving
        sessions.check("a" * 32)

    asyncio.run(run())
