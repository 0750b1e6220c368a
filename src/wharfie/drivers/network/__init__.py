"""Bridge networks: sandboxes held by descriptors, veth pairs, addresses, published ports.

`BridgeNetworks` implements `NetworkDriver` and `AddressMap` of `model/network.py`, with nothing
but rtnetlink and nfnetlink sockets: no `ip`, no `nft`, no `iptables` is ever run.
"""

from wharfie.drivers.network.driver import BridgeNetworks
from wharfie.drivers.network.settings import AddressPool, NetworkSettings

__all__ = ["AddressPool", "BridgeNetworks", "NetworkSettings"]
