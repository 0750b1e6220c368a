"""Namespaces of other containers that a container joins: who, and whether that may be.

Source: behaviours 71, 186; moby's daemon/container_operations_unix.go.
"""

from __future__ import annotations

import os
from contextlib import suppress

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.networking import parse_mode
from wharfie.model.container import Container, HostConfig, Status
from wharfie.model.errors import Conflict, InvalidArgument, NoSuchContainer, NotFound
from wharfie.model.lifecycle import has_process
from wharfie.model.network import Connection
from wharfie.model.remapping import Remapping
from wharfie.model.runtime import Namespaces

JOINS = "container:"
SHARED_MEMORY = "/dev/shm"


def by_id(host: HostConfig, catalogue: Catalogue) -> HostConfig:
    """At create: containers whose namespaces are joined are known by their IDs from here on.

    Raises:
        NoSuchContainer: for processes and IPC; whether there is a network is seen at start.
    """

    def found(mode: str) -> str:
        if not mode.startswith(JOINS):
            return mode
        return f"{JOINS}{catalogue.find(mode.removeprefix(JOINS)).id}"

    network = host.network_mode
    with suppress(NoSuchContainer):
        network = found(network)
    return structs.replace(
        host, network_mode=network, pid_mode=found(host.pid_mode), ipc_mode=found(host.ipc_mode)
    )


class Sharing:
    """Finds the containers whose namespaces another one joins; all must be running."""

    def __init__(self, catalogue: Catalogue, remapping: Remapping | None = None) -> None:
        """Take all containers, and how the engine maps users, if it does."""
        self._catalogue = catalogue
        self._remapping = remapping

    def is_remapped(self, host: HostConfig) -> bool:
        """Tell whether a container runs in a user namespace."""
        return self._remapping is not None and host.userns_mode != "host"

    def namespaces(self, record: Container, connection: Connection | None) -> Namespaces:
        """Which namespaces a container is started in.

        Raises:
            Conflict: a joined container does not run.
            InvalidArgument: it shares no IPC.
        """
        host = record.host_config
        mode = parse_mode(host.network_mode)
        network: str | None = ""
        user = ""
        if self._remapping is not None and self.is_remapped(host):
            # One for all: it owns the network namespaces that were prepared, too.
            user = f"/proc/{os.getpid()}/fd/{self._remapping.namespace}"
        if mode.kind == "container":
            network_donor = self.network_donor(mode.target)
            network = f"/proc/{network_donor.state.pid}/ns/net"
            user = self._user_of(network_donor, user)
        elif connection is not None:
            network = connection.namespace
        pid: str | None = "" if host.pid_mode == "host" else None
        if host.pid_mode.startswith(JOINS):
            pid_donor = self._running(host.pid_mode.removeprefix(JOINS), "PID")
            pid = f"/proc/{pid_donor.state.pid}/ns/pid"
            user = self._user_of(pid_donor, user)
        ipc: str | None = "" if host.ipc_mode == "host" else None
        ipc_donor = self.ipc_donor(host)
        if ipc_donor is not None:
            ipc = f"/proc/{ipc_donor.state.pid}/ns/ipc"
            user = self._user_of(ipc_donor, user)
        return Namespaces(
            network=network,
            pid=pid,
            ipc=ipc,
            uts="" if host.uts_mode == "host" else None,
            cgroup="" if host.cgroupns_mode == "host" else None,
            user=user,
        )

    def _user_of(self, donor: Container, user: str) -> str:
        """Who joins a namespace joins the user namespace that owns it, too."""
        if user == "" or not self.is_remapped(donor.host_config):
            return user
        return f"/proc/{donor.state.pid}/ns/user"

    def network_donor(self, ref: str) -> Container:
        """The container whose network is joined."""
        try:
            other = self._catalogue.find(ref).record
        except NoSuchContainer as error:
            raise Conflict(f"joining network namespace of container: {error}") from None
        if not has_process(other.state.status):
            raise Conflict(
                f"cannot join network namespace of a non running container: container {other.name} "
                f"is {other.state.status.value}"
            )
        return other

    def ipc_donor(self, host: HostConfig) -> Container | None:
        """The container whose IPC and shared memory are joined, None for none."""
        if not host.ipc_mode.startswith(JOINS):
            return None
        ref = host.ipc_mode.removeprefix(JOINS)
        donor = self._running(ref, "IPC")
        if donor.host_config.ipc_mode in ("private", "none"):
            raise InvalidArgument(
                f"failed to join IPC namespace: container {ref}: non-shareable IPC "
                "(hint: use IpcMode:shareable for the donor container)"
            )
        return donor

    def _running(self, ref: str, kind: str) -> Container:
        prefix = f"failed to join {kind} namespace: "
        try:
            other = self._catalogue.find(ref).record
        except NotFound as error:
            raise InvalidArgument(prefix + error.message) from None
        if other.state.status is Status.RESTARTING:
            raise Conflict(
                f"{prefix}Container {ref} is restarting, wait until the container is running"
            )
        if not has_process(other.state.status):
            raise Conflict(f"{prefix}container {ref} is not running")
        return other
