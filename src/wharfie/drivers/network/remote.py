"""Network plugins: Docker's remote network driver, over the plugin's unix socket.

    create     CreateNetwork          with the blocks we manage the addresses of
    join       CreateEndpoint, Join   answers with an interface on the host, which moves inside
    leave      Leave, DeleteEndpoint
    delete     DeleteNetwork

Source: libnetwork `docs/remote.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from msgspec import Struct

from wharfie.drivers.plugins import Document, call, open_plugin
from wharfie.model.errors import EngineError, Internal
from wharfie.model.network import Address, Network

_log = logging.getLogger(__name__)
_SPACE = "LocalDefault"


class RemoteJoin(Struct, frozen=True):
    """What a plugin made: an interface of the host, its prefix inside, ways outside ("" none)."""

    interface: str
    prefix: str
    gateways: dict[int, str]


class RemoteNetwork(Struct, frozen=True):
    """One network of a plugin."""

    path: str
    id: str

    @classmethod
    def find(cls, network: Network) -> RemoteNetwork:
        """The plugin that a network's driver names; blocks.

        Raises:
            NotFound: there is none, or it is not for networks.
            Unavailable: it does not answer.
        """
        return cls(open_plugin(network.driver, "NetworkDriver"), network.id)

    def create(self, network: Network, blocks: Sequence[tuple[int, str, str]]) -> None:
        """Let the plugin make the network; blocks.

        Args:
            network: its record.
            blocks: version, subnet, and gateway with its prefix length.
        """

        def data(version: int) -> list[Document]:
            return [
                {
                    "AddressSpace": "LocalDefault",
                    "Pool": pool,
                    "Gateway": gateway,
                    "AuxAddresses": {},
                }
                for found, pool, gateway in blocks
                if found == version
            ]

        options = {
            "com.docker.network.generic": dict(network.options),
            "com.docker.network.enable_ipv6": network.enable_ipv6,
            "com.docker.network.internal": network.internal,
        }
        self._call("CreateNetwork", {"Options": options, "IPv4Data": data(4), "IPv6Data": data(6)})

    def delete(self) -> None:
        """Let the plugin take the network away; blocks. What it refuses is told."""
        self._call("DeleteNetwork", {})

    def join(
        self, endpoint: str, addresses: Sequence[tuple[Address, int]], mac: str, sandbox: str
    ) -> RemoteJoin:
        """Let the plugin make an endpoint and join a sandbox; blocks.

        Raises:
            EngineError: it refused; nothing is left.
        """
        given: dict[int, str] = {one.version: f"{one}/{prefix}" for one, prefix in addresses}
        interface = {
            "Address": given.get(4, ""), "AddressIPv6": given.get(6, ""), "MacAddress": mac,
        }  # fmt: skip
        self._call(
            "CreateEndpoint", {"EndpointID": endpoint, "Interface": interface, "Options": {}}
        )
        try:
            told = self._call(
                "Join", {"EndpointID": endpoint, "SandboxKey": sandbox, "Options": {}}
            )
            names = told.get("InterfaceName")
            source = names.get("SrcName") if isinstance(names, dict) else None
            prefix = names.get("DstPrefix") if isinstance(names, dict) else None
            if not isinstance(source, str) or not source:
                raise Internal(f"network plugin at {self.path}: it names no interface")
        except EngineError:
            self.leave(endpoint)
            raise
        return RemoteJoin(
            source,
            prefix if isinstance(prefix, str) and prefix else "eth",
            {4: _text(told, "Gateway"), 6: _text(told, "GatewayIPv6")},
        )

    def leave(self, endpoint: str) -> None:
        """Let the plugin take an endpoint away; blocks. What it does not do is only told."""
        for verb in ("Leave", "DeleteEndpoint"):
            try:
                self._call(verb, {"EndpointID": endpoint})
            except EngineError as error:
                _log.warning("network plugin: endpoint %s: %s", endpoint, error)

    def _call(self, verb: str, body: Document) -> Document:
        return call(self.path, f"NetworkDriver.{verb}", {"NetworkID": self.id, **body})


def _text(document: Document, key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""
