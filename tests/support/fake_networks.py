"""A network driver without a kernel: addresses are made up, everything done is remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from wharfie.model.errors import NotFound
from wharfie.model.ids import ContainerId, EndpointId, NetworkId, generate_id
from wharfie.model.network import (
    IPAM,
    Connection,
    Endpoint,
    EndpointSettings,
    IPAMConfig,
    JoinRequest,
    LiveConnection,
    Network,
    PublishedPort,
    Resolving,
)


class FakeNetworkDriver:
    """See `model.network.NetworkDriver` and `AddressMap`; `refusal` is raised by the next call."""

    def __init__(self) -> None:
        self.networks: dict[NetworkId, Network] = {}
        self.live: dict[ContainerId, Connection] = {}
        self.restored: tuple[list[Network], list[LiveConnection]] | None = None
        self.refusal: Exception | None = None
        self.holders: dict[ContainerId, int] = {}

    def _refuse(self) -> None:
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal

    async def create(self, network: Network) -> Network:
        self._refuse()
        if network.driver not in ("bridge", "macvlan", "ipvlan"):
            raise NotFound(f'plugin "{network.driver}" not found')
        config = network.ipam.config or [
            IPAMConfig(
                subnet=f"172.{17 + len(self.networks)}.0.0/16",
                gateway=f"172.{17 + len(self.networks)}.0.1",
            )
        ]
        made = replace(network, ipam=IPAM(options=network.ipam.options, config=config))
        self.networks[network.id] = made
        return made

    async def delete(self, network: Network) -> None:
        self._refuse()
        self.networks.pop(network.id, None)

    async def restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        self._refuse()
        self.restored = (list(networks), list(live))
        self.networks = {network.id: network for network in networks}
        self.live = {one.container_id: one.connection for one in live}

    async def join(self, request: JoinRequest) -> Connection:
        self._refuse()
        endpoints = {
            network.name: self._endpoint(network, f"eth{position}")
            for position, (network, _) in enumerate(request.networks)
        }
        connection = Connection(
            sandbox_id=generate_id(), namespace="/proc/1/fd/9", endpoints=endpoints
        )
        self.live[request.container_id] = connection
        return connection

    async def connect(
        self,
        container_id: ContainerId,
        pid: int,
        network: Network,
        settings: EndpointSettings,
        *,
        resolving: Resolving | None = None,
    ) -> Endpoint:
        self._refuse()
        endpoint = self._endpoint(network, "eth9")
        connection = self.live[container_id]
        self.live[container_id] = replace(
            connection, endpoints={**connection.endpoints, network.name: endpoint}
        )
        return endpoint

    async def disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        self._refuse()
        connection = self.live[container_id]
        rest = {name: one for name, one in connection.endpoints.items() if one.id != endpoint.id}
        self.live[container_id] = replace(connection, endpoints=rest)

    async def started(self, container_id: ContainerId, pid: int) -> None:
        self.holders[container_id] = pid

    async def publish(self, container_id, name, add, drop):
        kept = [port for port in self.live[container_id].ports if port not in drop]
        made = [
            PublishedPort(int(spec.partition("/")[0]), spec.partition("/")[2], "0.0.0.0", 40000)
            for spec in add
        ]
        self.live[container_id] = replace(self.live[container_id], ports=[*kept, *made])
        return self.live[container_id].ports

    async def renamed(self, container_id: ContainerId, connection: Connection) -> None:
        self.live[container_id] = connection

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        self.live.pop(container_id, None)

    def addresses(self, network_id: NetworkId) -> Mapping[ContainerId, Endpoint]:
        return {
            container_id: endpoint
            for container_id, connection in self.live.items()
            for endpoint in connection.endpoints.values()
            if endpoint.network_id == network_id
        }

    def _endpoint(self, network: Network, interface: str) -> Endpoint:
        return Endpoint(
            id=EndpointId(generate_id()),
            network_id=network.id,
            interface=interface,
            host_interface="wve0",
            mac_address="02:42:ac:11:00:02",
            address="172.17.0.2",
            prefix=16,
            gateway="172.17.0.1",
        )
