"""A supervisor with real containers: a client whose exits and ended attachments are collected."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.oci import Tasks
from wharfie.drivers.runtime.supervision import SupervisorClient, open_supervisor
from wharfie.model.task import AttachmentEnd, AttachSpec, TaskExit

OUT = AttachSpec(stdout=True, stderr=True)


class Host:
    """A client with its ends collected."""

    def __init__(self, client: SupervisorClient, tasks: Tasks, exec_root: str) -> None:
        self.tasks = tasks
        self.exec_root = exec_root
        self.exits: dict[str, TaskExit] = {}
        self.ends: list[AttachmentEnd] = []
        self.connections: list[socket.socket] = []
        self._changed = asyncio.Event()
        self.reconnect(client)

    def reconnect(self, client: SupervisorClient) -> None:
        """Go on with another client."""
        self.client = client
        client.subscribe(on_exit=self._on_exit, on_attachment_end=self._on_end)

    def _on_exit(self, task_exit: TaskExit) -> None:
        self.exits[task_exit.id] = task_exit
        self._changed.set()

    def _on_end(self, end: AttachmentEnd) -> None:
        self.ends.append(end)
        self._changed.set()

    async def exit_code(self, task_id: str, *, settle: bool = True, timeout: float = 20) -> int:
        async with asyncio.timeout(timeout):
            while task_id not in self.exits:
                self._changed.clear()
                await self._changed.wait()
        if settle:
            await self.client.settle(task_id)
        return self.exits[task_id].code

    async def wait_ends(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.ends) < count:
                self._changed.clear()
                await self._changed.wait()

    async def attach(self, task_id: str, spec: AttachSpec) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            await self.client.attach(task_id, theirs.fileno(), spec)
        ours.setblocking(False)
        self.connections.append(ours)
        return ours


@asynccontextmanager
async def host_in(directory: Path) -> AsyncIterator[Host]:
    tasks = Tasks(directory)
    exec_root = str(directory / "exec")
    client = await open_supervisor(exec_root)
    host = Host(client, tasks, exec_root)
    try:
        yield host
    finally:
        for connection in host.connections:
            connection.close()
        for status in await host.client.tasks():
            if status.exit is None:
                await host.client.signal(status.id, 9)
        assert await host.client.shutdown() or await is_gone(exec_root)
        assert "Traceback" not in Path(exec_root, "supervisor.log").read_text()


async def is_gone(exec_root: str) -> bool:
    for _ in range(1000):
        if not os.path.exists(f"{exec_root}/supervisor.sock"):
            return True
        await asyncio.sleep(0.02)
    return False


async def read_all(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    parts = []
    async with asyncio.timeout(20):
        while data := await loop.sock_recv(connection, 1 << 18):
            parts.append(data)
    connection.close()
    return b"".join(parts)


async def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(10):
        while wanted not in data:
            chunk = await loop.sock_recv(connection, 65536)
            assert chunk, data
            data += chunk
    return data


def unframe(data: bytes) -> dict[int, bytes]:
    streams = {1: b"", 2: b""}
    while data:
        stream, size = struct.unpack_from(">BxxxL", data)
        assert len(data) >= 8 + size
        streams[stream] += data[8 : 8 + size]
        data = data[8 + size :]
    return streams


def supervisor_pid(exec_root: str) -> int:
    return int(Path(exec_root, "supervisor.lock").read_text() or "0")  # empty while it starts
