"""Networks: records, endpoints, port bindings, and the port a network driver implements.

A *sandbox* is a container's network namespace, an *endpoint* is one container in one network.
Sandboxes are held by descriptors and by the processes inside them, never by mounts: when both
are gone, the kernel frees the namespace and with it every interface.

Source: Engine API 1.51, definitions Network, IPAM, EndpointSettings, PortBinding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.ids import ContainerId, EndpointId, NetworkId

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network


class PortBinding(Struct, rename="pascal", frozen=True):
    """Where a container port is published; "" host port asks for an ephemeral one.

    Attributes:
        allow_from: blocks ("10.0.0.0/8") from which it may be reached, unset for everywhere.
            Not in Docker.
    """

    host_ip: str = ""
    host_port: str = ""
    allow_from: list[str] | UnsetType = UNSET


class IPAMConfig(Struct, frozen=True, omit_defaults=True):
    """One address pool of a network."""

    subnet: str = field(default="", name="Subnet")
    ip_range: str = field(default="", name="IPRange")
    gateway: str = field(default="", name="Gateway")
    aux_addresses: dict[str, str] | None = field(default=None, name="AuxiliaryAddresses")


class IPAM(Struct, rename="pascal", frozen=True):
    """Address management of a network."""

    driver: str = "default"
    options: dict[str, str] | None = None
    config: list[IPAMConfig] | None = field(default_factory=list)


class Network(Struct, frozen=True, kw_only=True):
    """One network as recorded and, nearly, as inspect shows it."""

    id: NetworkId
    name: str
    created: str
    scope: str = "local"
    driver: str = "bridge"
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    ipam: IPAM = IPAM()
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: str = ""
    options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


class EndpointIPAMConfig(Struct, frozen=True, omit_defaults=True):
    """Addresses a client asked for."""

    ipv4_address: str = field(default="", name="IPv4Address")
    ipv6_address: str = field(default="", name="IPv6Address")
    link_local_ips: list[str] | None = field(default=None, name="LinkLocalIPs")


class EndpointSettings(Struct, frozen=True, kw_only=True):
    """Settings of a container in one network: asked for, and while running, operational."""

    ipam_config: EndpointIPAMConfig | None = field(default=None, name="IPAMConfig")
    links: list[str] | None = field(default=None, name="Links")
    aliases: list[str] | None = field(default=None, name="Aliases")
    mac_address: str = field(default="", name="MacAddress")
    driver_opts: dict[str, str] | None = field(default=None, name="DriverOpts")
    gw_priority: int = field(default=0, name="GwPriority")
    network_id: str = field(default="", name="NetworkID")
    endpoint_id: str = field(default="", name="EndpointID")
    gateway: str = field(default="", name="Gateway")
    ip_address: str = field(default="", name="IPAddress")
    ip_prefix_len: int = field(default=0, name="IPPrefixLen")
    ipv6_gateway: str = field(default="", name="IPv6Gateway")
    global_ipv6_address: str = field(default="", name="GlobalIPv6Address")
    global_ipv6_prefix_len: int = field(default=0, name="GlobalIPv6PrefixLen")
    dns_names: list[str] | None = field(default=None, name="DNSNames")


class NetworkAttachment(Struct, frozen=True):
    """One entry of a container's networks: the settings and what the user asked for the MAC."""

    settings: EndpointSettings
    requested_mac: str | UnsetType = UNSET


class Endpoint(Struct, frozen=True, kw_only=True):
    """A live endpoint, as a driver made it.

    Attributes:
        interface: name inside the sandbox ("eth0").
        host_interface: name of the host's end ("veth1a2b3c4"), "" where there is none.
        address: IPv4 address without prefix length, "" for none.
        prefix: its prefix length in bits.
        gateway: default gateway, "" for none.
        names: by which the network's other containers find it; none on the default network.
    """

    id: EndpointId
    network_id: NetworkId
    interface: str
    host_interface: str
    mac_address: str
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    ipv6_address: str = ""
    ipv6_prefix: int = 0
    ipv6_gateway: str = ""
    names: list[str] = field(default_factory=list)


class Resolving(Struct, frozen=True, kw_only=True):
    """How a container's questions are answered by the embedded name server.

    Attributes:
        servers: whom questions go to that it cannot answer; empty for the host's servers.
        bare: names without a dot go there too.
        links: further names of other containers, seen by this one alone: alias → name.
        gateway: address of the host as told by `host.docker.internal`, "" for the first
            network's gateway.
    """

    servers: list[str] = field(default_factory=list)
    bare: bool = True
    links: dict[str, str] = field(default_factory=dict)
    gateway: str = ""


class PublishedPort(Struct, frozen=True):
    """One published port, resolved.

    Attributes:
        protocol: "tcp", "udp" or "sctp".
        host_ip: address it is bound to, "0.0.0.0" or "::" for all.
        host_port: 0 where the container is reached at its own address (gateway mode "routed").
        allow_from: blocks from which it may be reached; none for everywhere.
        relayed: served by a program, as the kernel cannot redirect it: it is of another family
            than the container's addresses, or on the loopback address of IPv6.
    """

    container_port: int
    protocol: str
    host_ip: str
    host_port: int
    allow_from: tuple[str, ...] = ()
    relayed: bool = False


class Connection(Struct, frozen=True, kw_only=True):
    """All that is live of a container's networking; enough to rebuild and to take down.

    Attributes:
        sandbox_id: 64 hex digits, new for each start.
        namespace: a path under /proc that names the network namespace while it is held.
        endpoints: live endpoints by network name, in interface order.
        ports: what is published.
        resolving: how the embedded name server answers it; None where it is not asked.
    """

    sandbox_id: str
    namespace: str
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    ports: list[PublishedPort] = field(default_factory=list)
    resolving: Resolving | None = None


class JoinRequest(Struct, frozen=True, kw_only=True):
    """What a starting container needs of the network.

    Attributes:
        networks: networks to join with the requested settings, in interface order; empty for
            mode `none` (a sandbox with only a loopback device).
        publish: container port ("80/tcp") → wanted bindings.
        resolving: how the embedded name server answers it; None where it is not asked.
    """

    container_id: ContainerId
    container_name: str
    networks: list[tuple[Network, EndpointSettings]]
    publish: dict[str, list[PortBinding]] = field(default_factory=dict)
    resolving: Resolving | None = None


class LiveConnection(Struct, frozen=True):
    """A connection found alive at start, with the process that holds its namespace."""

    container_id: ContainerId
    pid: int
    connection: Connection


class NetworkDriver(Protocol):
    """Makes networks and sandboxes on this host.

    All methods are safe to repeat; a failed `join` has undone what it did.
    """

    async def create(self, network: Network) -> Network:
        """Make a network; returns it with subnet and gateway filled in.

        Raises:
            InvalidArgument: options that contradict each other.
            Forbidden: the subnet overlaps another network's.
        """

    async def delete(self, network: Network) -> None:
        """Take a network's devices and rules away; one that is gone is no error."""

    async def restore(self, networks: Sequence[Network], live: Sequence[LiveConnection]) -> None:
        """Make host state equal to the records after a start of the daemon.

        Devices, rules, leases and published ports of `live` are kept or put back; everything
        else this engine ever made is removed.
        """

    async def join(self, request: JoinRequest) -> Connection:
        """Make a sandbox, connect it, publish its ports.

        Raises:
            Conflict: an address is taken.
            Internal: a port is taken (Docker's wording), or the kernel refused.
        """

    async def connect(
        self,
        container_id: ContainerId,
        pid: int,
        network: Network,
        settings: EndpointSettings,
        *,
        resolving: Resolving | None = None,
    ) -> Endpoint:
        """Add one endpoint to a running container's sandbox.

        With `resolving` the embedded name server answers it from now on, if it did not yet.
        """

    async def disconnect(self, container_id: ContainerId, pid: int, endpoint: Endpoint) -> None:
        """Take one endpoint away from a running container; a missing one is no error."""

    async def started(self, container_id: ContainerId, pid: int) -> None:
        """The container's process runs and holds the sandbox: let go of our descriptor."""

    async def publish(
        self,
        container_id: ContainerId,
        name: str,
        add: Mapping[str, list[PortBinding]],
        drop: Sequence[PublishedPort],
    ) -> Sequence[PublishedPort]:
        """Publish further ports of a running container, then drop some; all it has now.

        Raises:
            Conflict: it has no way outside that ports could be published on.
            Internal: a port is taken (Docker's wording); nothing was changed.
        """

    async def renamed(self, container_id: ContainerId, connection: Connection) -> None:
        """The names in a live connection's endpoints changed."""

    async def leave(self, container_id: ContainerId, connection: Connection) -> None:
        """Free addresses, ports and the sandbox; a second call is no error."""


class AddressMap(Protocol):
    """Read access to live addresses, for name services and reports."""

    def addresses(self, network_id: NetworkId) -> Mapping[ContainerId, Endpoint]:
        """Live endpoints of one network."""
