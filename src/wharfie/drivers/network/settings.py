"""Settings of the network driver, from the daemon's configuration."""

from __future__ import annotations

from ipaddress import IPv4Network

from msgspec import Struct, field

from wharfie.model.network import Block

ANY_HOST = "0.0.0.0"  # noqa: S104 - where ports are published unless the user says otherwise


class AddressPool(Struct, frozen=True):
    """A block from which networks get subnets of `size` bits, as `default-address-pools` says."""

    base: Block
    size: int


def default_pools() -> list[AddressPool]:
    """Docker's own blocks. Source: behaviours 160."""
    blocks = [AddressPool(IPv4Network(f"172.{number}.0.0/16"), 16) for number in range(17, 32)]
    return [*blocks, AddressPool(IPv4Network("192.168.0.0/16"), 20)]


class NetworkSettings(Struct, frozen=True, kw_only=True):
    """How the driver works.

    Attributes:
        exec_root: directory whose `netns/` holds links to running sandboxes.
        owner: tag of everything this engine makes: nftables table name and alias of links. Two
            engines in one network namespace need two tags.
        fallback_bridge: name of the default bridge when somebody else owns "docker0".
        pools: blocks for networks that ask for no subnet.
        ready: sandboxes kept ready while idle.
        most_ready: sandboxes kept ready under load.
        grace: seconds a dead container's interface may live before it is deleted by force.
        adapt_forward: where another firewall drops forwarded traffic by policy but offers the
            chain DOCKER-USER, put one rule there that lets accepted traffic of ours pass.
        userns: descriptor of the user namespace that owns sandboxes, -1 for the host's.
        forwarding: let the kernel forward packets; else that is the administrator's to do.
        direct_routing: published ports are reached at containers' own addresses too.
        managed: families (4, 6) whose firewall is ours. In the others no rule is made, so networks
            are not kept apart and published ports are relayed by a program.
        relays: let a program serve published ports that the kernel does not redirect.
    """

    exec_root: str
    owner: str = "wharfie"
    fallback_bridge: str = "wharfie0"
    pools: list[AddressPool] = field(default_factory=default_pools)
    ready: int = 6
    most_ready: int = 32
    grace: float = 2.0
    adapt_forward: bool = True
    forwarding: bool = True
    userns: int = -1
    direct_routing: bool = False
    managed: tuple[int, ...] = (4, 6)
    relays: bool = True
