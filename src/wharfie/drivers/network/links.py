"""The host's side of networks: bridges and the outer ends of veth pairs.

Everything made here carries the owner's tag as the kernel's alias text, by which leftovers of a
killed daemon are told from what belongs to others.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_network

from wharfie.formats.network import rtnetlink
from wharfie.formats.network.rtnetlink import Link, LinkAddress
from wharfie.kernel.netlink import EXISTS, GONE, NETLINK_ROUTE, KernelRefused, NetlinkSocket
from wharfie.model.errors import Internal
from wharfie.model.network import Address, Block

_VETH_PREFIX = "wve"
_IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_CONF = "/proc/sys/net/ipv4/conf"
_CONF6 = "/proc/sys/net/ipv6/conf"


_BRIDGE_LINK_LOCAL: tuple[Address, int] = (IPv6Address("fe80::1"), 64)


def random_mac() -> str:
    """A random unicast hardware address, marked as locally administered."""
    octets = bytearray(secrets.token_bytes(6))
    octets[0] = octets[0] & 0xFC | 0x02
    return octets.hex(":")


def veth_name() -> str:
    """A new name for an outer end."""
    return _VETH_PREFIX + secrets.token_hex(5)


def write_sysctl(path: str, value: str) -> None:
    """Write a file below /proc/sys, unless it already says so."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.read(descriptor, 64).strip() != value.encode():
            os.pwrite(descriptor, value.encode(), 0)
    finally:
        os.close(descriptor)


def enable_ipv6(interface: str) -> None:
    """Let an interface of the calling thread's namespace have IPv6 addresses, given by us alone."""
    conf = f"{_CONF6}/{interface}"
    for name, value in (("accept_ra", "0"), ("autoconf", "0"), ("disable_ipv6", "0")):
        write_sysctl(f"{conf}/{name}", value)


class HostLinks:
    """Interfaces of the namespace the daemon lives in; safe to use from several threads."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.netlink = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Free the socket."""
        self.netlink.close()

    def all(self) -> list[Link]:
        """Every interface."""
        return [rtnetlink.parse_link(one) for one in self.netlink.dump(rtnetlink.list_links())]

    def own(self) -> list[Link]:
        """Interfaces with the owner's tag."""
        return [link for link in self.all() if link.alias == self.owner]

    def find(self, name: str) -> Link | None:
        """One interface, None when there is none."""
        try:
            answers = self.netlink.run([rtnetlink.get_link(name)])
        except KernelRefused as refused:
            if refused.errno in GONE:
                return None
            raise
        return rtnetlink.parse_link(answers[0]) if answers else None

    def addresses(self) -> list[LinkAddress]:
        """Every IP address."""
        answers = self.netlink.dump(rtnetlink.list_addresses())
        parsed = (rtnetlink.parse_address(one) for one in answers)
        return [address for address in parsed if address is not None]

    def occupied(self) -> list[Block]:
        """Subnets that routes and addresses of this host reach already."""
        answers = self.netlink.dump(rtnetlink.list_routes())
        answers += self.netlink.dump(rtnetlink.list_routes(socket.AF_INET6))
        found = [rtnetlink.parse_route(one) for one in answers]
        routes = [one for one in found if one is not None]
        connected = [
            ip_network((str(one.address), one.prefix), strict=False)
            for one in self.addresses()
            if one.prefix
        ]
        return routes + connected

    def enable_forwarding(self) -> None:
        """Let the host pass packets on between interfaces."""
        write_sysctl(_IP_FORWARD, "1")

    def enable_ipv6_forwarding(self) -> None:
        """Let the host pass IPv6 packets on, and yet hear its routers as before.

        Source: ip-sysctl, accept_ra: a host that forwards only listens to them with 2.
        """
        if _read(f"{_CONF6}/all/forwarding") == "1":
            return
        for name in os.listdir(_CONF6):
            if name != "all" and _read(f"{_CONF6}/{name}/accept_ra") == "1":
                write_sysctl(f"{_CONF6}/{name}/accept_ra", "2")
        write_sysctl(f"{_CONF6}/all/forwarding", "1")

    def ensure_bridge(
        self,
        name: str,
        *,
        addresses: Sequence[tuple[Address, int]],
        ipv6: bool,
        mtu: int,
        redirected: bool = True,
    ) -> int:
        """Make a bridge as it should be, from whatever there is; its index.

        A bridge of that name made by somebody else is used and gets the address.

        Args:
            name: of the bridge.
            addresses: its own.
            ipv6: its network has IPv6.
            mtu: bytes, 0 for what it has.
            redirected: the firewall redirects to it what comes for 127.0.0.1, and guards that.

        Raises:
            Internal: the name belongs to another kind of interface.
        """
        link = self.find(name)
        if link is None:
            create = rtnetlink.create_bridge(name, mac=random_mac(), mtu=mtu)
            self.netlink.run([create, rtnetlink.label(name, self.owner)], ignore=EXISTS)
            link = self.find(name)
        if link is None or link.kind != "bridge":
            raise Internal(f"interface {name} is not a bridge")
        if ipv6:
            enable_ipv6(name)
            # Neighbours of forwarded packets are asked for from a link-local address, and the
            # kernel's own may be used only seconds later.
            addresses = [*addresses, _BRIDGE_LINK_LOCAL]
        elif link.alias == self.owner:
            # Containers of an IPv4 network do not reach the host by link-local addresses.
            with contextlib.suppress(FileNotFoundError):
                write_sysctl(f"{_CONF6}/{name}/disable_ipv6", "1")
        self._set_addresses(link, addresses)
        # Ports published on 127.0.0.1 are redirected to containers from the host itself.
        if redirected or link.alias == self.owner:
            write_sysctl(f"{_CONF}/{name}/route_localnet", "1" if redirected else "0")
        changes = [rtnetlink.set_up(link.index)]
        if mtu and link.mtu != mtu:
            changes.append(rtnetlink.set_mtu(name, mtu))
        self.netlink.run(changes)
        return link.index

    def is_foreign(self, name: str) -> bool:
        """Tell whether an interface of this name exists that is not ours."""
        link = self.find(name)
        return link is not None and link.alias != self.owner

    def delete(self, names: Sequence[str]) -> None:
        """Delete interfaces; missing ones are no error."""
        if names:
            self.netlink.run([rtnetlink.delete_link(name) for name in names], ignore=GONE)

    def delete_own(self, name: str) -> None:
        """Delete an interface if it is ours."""
        link = self.find(name)
        if link is not None and link.alias == self.owner:
            self.delete([name])

    def attach(self, name: str, bridge: int, *, icc: bool, mtu: int) -> None:
        """Make an outer end a port of a bridge.

        Hairpin lets a container reach its own published port where bridged frames pass the
        firewall (br_netfilter); isolation keeps containers of a network apart.
        """
        changes = [
            rtnetlink.enslave(name, bridge),
            rtnetlink.set_port(name, hairpin=True, isolated=not icc),
        ]
        if mtu:
            changes.insert(0, rtnetlink.set_mtu(name, mtu))
        self.netlink.run(changes)

    def exists(self, name: str) -> bool:
        """Tell, cheaply, whether an interface exists."""
        with contextlib.suppress(OSError):
            return bool(socket.if_nametoindex(name))
        return False

    def _set_addresses(self, link: Link, wanted: Sequence[tuple[Address, int]]) -> None:
        if not wanted and link.alias != self.owner:
            return
        changes = [
            rtnetlink.delete_address(one.index, one.address, one.prefix)
            for one in self.addresses()
            if one.index == link.index
            and not one.address.is_link_local
            and (one.address, one.prefix) not in wanted
            and link.alias == self.owner
        ]
        changes += [
            rtnetlink.add_address(link.index, address, prefix) for address, prefix in wanted
        ]
        if changes:
            self.netlink.run(changes, ignore=EXISTS | GONE)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
