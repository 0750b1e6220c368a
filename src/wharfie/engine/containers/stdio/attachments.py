"""Connecting containers to networks and disconnecting them, running or not.

Source: behaviours 156, 162; Engine API NetworkConnect, NetworkDisconnect.
"""

from __future__ import annotations

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.networking import attach, connected, disconnected, parse_mode
from wharfie.engine.containers.rootfs.managed import ManagedFiles
from wharfie.engine.networks import Networks
from wharfie.model.container import Status
from wharfie.model.errors import Conflict, Forbidden, NoSuchNetwork, NotFound
from wharfie.model.lifecycle import has_process
from wharfie.model.network import Connection, EndpointSettings, Network


class ContainerNetworks:
    """Network verbs on containers."""

    def __init__(
        self, *, catalogue: Catalogue, ledger: Ledger, networks: Networks, files: ManagedFiles
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._networks = networks
        self._files = files

    async def connect(self, ref: str, network_ref: str, settings: EndpointSettings) -> None:
        """Make a container part of a further network; a running one gets an interface.

        Raises:
            NoSuchContainer, NoSuchNetwork: nothing matches.
            Forbidden: its network mode excludes it, or it is connected already.
        """
        handle = self._catalogue.find(ref)
        network = self._networks.get(network_ref)
        async with handle.lock:
            self._check_connect(handle, network)
            record = handle.record
            attachment = attach(network, settings, record.id, record.name, record.config.hostname)
            record = structs.replace(record, networks={**record.networks, network.name: attachment})
            connection = handle.connection
            if connection is not None and has_process(record.state.status):
                before, resolving = connection, self._files.resolving(record)
                endpoint = await self._networks.connect(
                    network.id,
                    container_id=record.id,
                    pid=record.state.pid,
                    connection=connection,
                    settings=attachment.settings,
                    resolving=resolving,
                )
                endpoints = {**connection.endpoints, network.name: endpoint}
                connection = structs.replace(
                    connection, endpoints=endpoints, resolving=resolving or connection.resolving
                )
                record = connected(record, connection)
                self._files.change(handle.record, record, before, connection)
            await self._ledger.save_connected(handle, record, connection, durable=True)
        if connection is not None:
            self._networks.announce("connect", handle.id, network)

    async def disconnect(self, ref: str, network_ref: str, *, force: bool = False) -> None:
        """Take a container out of a network.

        Raises:
            NoSuchContainer, NoSuchNetwork: nothing matches.
            Forbidden: it is not connected, or the network is its mode's only one.
        """
        try:
            network = self._networks.get(network_ref)
        except NoSuchNetwork:
            if not force:
                raise
            handle = self._catalogue.find(ref)
            told = f"container {handle.id} is not connected to the network {network_ref}"
            raise Forbidden(told) from None
        try:
            handle = self._catalogue.find(ref)
        except NotFound:
            if force:
                return
            raise
        async with handle.lock:
            before = handle.connection
            connection = await self._leave(handle, network)
            networks = dict(handle.record.networks)
            del networks[network.name]
            record = structs.replace(disconnected(handle.record), networks=networks)
            if connection is not None:
                record = connected(record, connection)
            if connection is not None and before is not None:
                self._files.change(handle.record, record, before, connection)
            await self._ledger.save_connected(handle, record, connection, durable=True)
        if connection is not None:
            self._networks.announce("disconnect", handle.id, network)

    def _check_connect(self, handle: ContainerHandle, network: Network) -> None:
        record = handle.record
        if record.state.status in (Status.REMOVING, Status.DEAD):
            raise Conflict(f"container {record.id} is marked for removal")
        kind = parse_mode(record.host_config.network_mode).kind
        if kind == "container":
            raise Forbidden("container sharing network namespace with another container or host "
                            "cannot be connected to any other network")  # fmt: skip
        if kind == "host" or network.name == "host":
            raise Forbidden(
                "cannot connect container to host network - container must be created in host "
                "network mode"
            )
        if kind == "none" or network.name == "none":
            raise Forbidden(
                "container cannot be connected to multiple networks with one of the networks in "
                "private (none) mode"
            )
        if network.name in record.networks:
            raise Forbidden(
                f"endpoint with name {record.name} already exists in network {network.name}"
            )

    async def _leave(self, handle: ContainerHandle, network: Network) -> Connection | None:
        record, connection = handle.record, handle.connection
        if network.name == "host" or network.name not in record.networks:
            raise Forbidden(f"container {record.id} is not connected to network {network.name}")
        if connection is None or not has_process(record.state.status):
            return connection
        await self._networks.disconnect(
            network.id, container_id=record.id, pid=record.state.pid, connection=connection
        )
        endpoints = {k: v for k, v in connection.endpoints.items() if k != network.name}
        return structs.replace(connection, endpoints=endpoints)
