"""Live sandboxes: which container is connected how, and the links tools find them by."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping

import msgspec

from wharfie.drivers.network.sandbox import Sandbox
from wharfie.model.errors import Conflict
from wharfie.model.ids import ContainerId, EndpointId, NetworkId, short
from wharfie.model.network import Connection, Endpoint, PublishedPort, Resolving


class LiveSandbox:
    """One container's connection, with the sandbox as long as we hold it."""

    def __init__(
        self, container_id: ContainerId, connection: Connection, sandbox: Sandbox | None
    ) -> None:
        self.container_id = container_id
        self.connection = connection
        self.sandbox = sandbox
        self.pid = 0

    def close(self) -> None:
        """Let go of the sandbox."""
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None


class LiveSandboxes:
    """All live sandboxes, and `<exec-root>/netns/<id>` → `/proc/<pid>/ns/net` for each started.

    Safe to use from several threads.
    """

    def __init__(self, exec_root: str) -> None:
        self._directory = os.path.join(exec_root, "netns")
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        self._live: dict[ContainerId, LiveSandbox] = {}
        self._lock = threading.Lock()

    def sweep(self) -> None:
        """Forget everything, and remove links of former sandboxes."""
        self.close()
        for name in os.listdir(self._directory):
            path = os.path.join(self._directory, name)
            if os.path.islink(path):
                os.unlink(path)

    def close(self) -> None:
        """Let go of all sandboxes; links stay."""
        with self._lock:
            for live in self._live.values():
                live.close()
            self._live.clear()

    def all(self) -> list[LiveSandbox]:
        """Every live sandbox."""
        with self._lock:
            return list(self._live.values())

    def connections(self) -> Mapping[ContainerId, Connection]:
        """Everybody's connection."""
        return {live.container_id: live.connection for live in self.all()}

    def endpoints(self, network_id: NetworkId) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
        return {
            live.container_id: endpoint
            for live in self.all()
            for endpoint in live.connection.endpoints.values()
            if endpoint.network_id == network_id
        }

    def get(self, container_id: ContainerId) -> LiveSandbox | None:
        """A container's, None when it is not connected."""
        with self._lock:
            return self._live.get(container_id)

    def require(self, container_id: ContainerId) -> LiveSandbox:
        """A container's; Conflict when it has none."""
        live = self.get(container_id)
        if live is None:
            raise Conflict(f"container {container_id} has no network sandbox of its own")
        return live

    def add(self, live: LiveSandbox) -> None:
        """Know a new one."""
        with self._lock:
            self._live[live.container_id] = live

    def pop(self, container_id: ContainerId, connection: Connection) -> LiveSandbox | None:
        """Forget a container's if it is that connection; None when it is not there."""
        with self._lock:
            live = self._live.get(container_id)
            if live is None or live.connection.sandbox_id != connection.sandbox_id:
                return None
            del self._live[container_id]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._link(connection))
        return live

    def started(self, container_id: ContainerId, pid: int) -> None:
        """A process holds the sandbox: let go of ours, show it to tools."""
        live = self.get(container_id)
        if live is None:
            return
        path = self._link(live.connection)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(f"/proc/{pid}/ns/net", path)
        live.pid = pid
        live.close()

    def connect(
        self,
        container_id: ContainerId,
        network: str,
        endpoint: Endpoint,
        resolving: Resolving | None = None,
    ) -> Connection:
        """Add an endpoint, and perhaps that names are asked; all that is connected now."""
        with self._lock:
            live = self._live[container_id]
            live.connection = msgspec.structs.replace(
                live.connection,
                endpoints={**live.connection.endpoints, network: endpoint},
                resolving=resolving or live.connection.resolving,
            )
            return live.connection

    def publish(self, container_id: ContainerId, ports: list[PublishedPort]) -> list[PublishedPort]:
        """These are its published ports now."""
        with self._lock:
            live = self._live[container_id]
            live.connection = msgspec.structs.replace(live.connection, ports=ports)
        return ports

    def rename(self, container_id: ContainerId, connection: Connection) -> bool:
        """Take over the names of a connection's endpoints; False when it is gone."""
        with self._lock:
            live = self._live.get(container_id)
            if live is None or live.connection.sandbox_id != connection.sandbox_id:
                return False
            live.connection = connection
            return True

    def disconnect(self, container_id: ContainerId, endpoint_id: EndpointId) -> bool:
        """Take an endpoint away; False when it is not there."""
        with self._lock:
            live = self._live[container_id]
            endpoints = {
                name: endpoint
                for name, endpoint in live.connection.endpoints.items()
                if endpoint.id != endpoint_id
            }
            if len(endpoints) == len(live.connection.endpoints):
                return False
            live.connection = msgspec.structs.replace(live.connection, endpoints=endpoints)
            return True

    def _link(self, connection: Connection) -> str:
        return os.path.join(self._directory, short(connection.sandbox_id))
