"""Routing netlink: links, addresses and routes as message bodies, and kernel answers as values.

Each function returns `(type, flags, body)`, to be framed with a sequence number by whoever
sends it; several may travel in one datagram and are served in order.

Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_bridge.h, linux/veth.h.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from wharfie.formats.network.netlink import (
    ACK,
    CREATE,
    DUMP,
    EXCLUSIVE,
    REQUEST,
    Message,
    NetlinkFormatError,
    attribute,
    nested,
    parse_attributes,
    parse_text,
    parse_u32,
    text,
    u32,
)

Body = tuple[int, int, bytes]
Address = IPv4Address | IPv6Address

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

_IFLA_ADDRESS = 1
_IFLA_IFNAME = 3
_IFLA_MTU = 4
_IFLA_LINK = 5
_IFLA_MASTER = 10
_IFLA_LINKINFO = 18
_IFLA_IFALIAS = 20
_IFLA_AF_SPEC = 26
_IFLA_NET_NS_FD = 28
_INET6_ADDR_GEN_MODE = 8
_GENERATE_NONE = 1
_INFO_KIND = 1
_INFO_DATA = 2
_INFO_SLAVE_KIND = 4
_INFO_SLAVE_DATA = 5
_VETH_PEER = 1
_VLAN_ID = 1
_MACVLAN_MODE = 1
_IPVLAN_MODE = 1
_IPVLAN_FLAGS = 2
_BRPORT_MODE = 4
_BRPORT_ISOLATED = 33

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_BROADCAST = 4

_IFA_F_NODAD = 0x02
"""No duplicate address detection: nobody else gives addresses of our networks."""

_RTA_DST = 1
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_TABLE = 15

_IFF_UP = 1
_RT_TABLE_MAIN = 254
_RTPROT_BOOT = 3
_RTN_UNICAST = 1
_RT_SCOPE_LINK = 253

_link = struct.Struct("=BxHiII")
_address = struct.Struct("=BBBBI")
_route = struct.Struct("=BBBBBBBBI")


class Link(Struct, frozen=True):
    """A network interface.

    Attributes:
        kind: "veth", "bridge", …; "" for hardware and loopback.
        alias: free text kept by the kernel, "" for none.
        master: index of the bridge it belongs to, 0 for none.
    """

    index: int
    name: str
    up: bool
    mac: str
    mtu: int
    kind: str
    alias: str
    master: int


class LinkAddress(Struct, frozen=True):
    """An address of an interface; prefix in bits."""

    index: int
    address: Address
    prefix: int


def _change(index: int, *attributes: bytes, up: bool | None = None) -> Body:
    flags = _IFF_UP if up else 0
    mask = 0 if up is None else _IFF_UP
    body = _link.pack(socket.AF_UNSPEC, 0, index, flags, mask) + b"".join(attributes)
    return RTM_NEWLINK, REQUEST | ACK, body


def create_bridge(name: str, *, mac: str, mtu: int) -> Body:
    """A new bridge, down; `mtu` 0 takes the kernel's default."""
    attributes = [
        text(_IFLA_IFNAME, name),
        attribute(_IFLA_ADDRESS, pack_mac(mac)),
        nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"bridge")),
    ]
    if mtu:
        attributes.append(u32(_IFLA_MTU, mtu))
    body = _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + b"".join(attributes)
    return RTM_NEWLINK, REQUEST | ACK | CREATE | EXCLUSIVE, body


def create_veth(
    inside: str, outside: str, *, namespace: int, mac: str, index: int = 0, mtu: int = 0
) -> Body:
    """A veth pair whose other end is born in another namespace; both start down.

    Sent inside the sandbox: the kernel takes a wished index only for the near end.

    Args:
        inside: name of the near end.
        outside: name of the other end.
        namespace: descriptor of the other end's network namespace.
        mac: the near end's address.
        index: interface index of the near end, 0 lets the kernel choose.
        mtu: of both ends; 0 takes the kernel's default.
    """
    size = u32(_IFLA_MTU, mtu) if mtu else b""
    peer = (
        _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + text(_IFLA_IFNAME, outside)
        + size
        + u32(_IFLA_NET_NS_FD, namespace)
    )
    data = nested(_INFO_DATA, nested(_VETH_PEER, peer))
    body = (
        _link.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        + text(_IFLA_IFNAME, inside)
        + attribute(_IFLA_ADDRESS, pack_mac(mac))
        + size
        + nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"veth"), data)
    )
    return RTM_NEWLINK, REQUEST | ACK | CREATE | EXCLUSIVE, body


def create_pair(name: str, other: str) -> Body:
    """A veth pair whose ends are both here."""
    peer = _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(_IFLA_IFNAME, other)
    data = nested(_INFO_DATA, nested(_VETH_PEER, peer))
    body = (
        _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + text(_IFLA_IFNAME, name)
        + nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"veth"), data)
    )
    return RTM_NEWLINK, REQUEST | ACK | CREATE | EXCLUSIVE, body


def create_vlan(name: str, *, parent: int, number: int) -> Body:
    """A VLAN of an interface."""
    data = nested(_INFO_DATA, attribute(_VLAN_ID, struct.pack("=H", number)))
    body = (
        _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + text(_IFLA_IFNAME, name)
        + u32(_IFLA_LINK, parent)
        + nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"vlan"), data)
    )
    return RTM_NEWLINK, REQUEST | ACK | CREATE | EXCLUSIVE, body


def create_sublink(
    name: str, *, kind: str, parent: int, namespace: int, mac: str, mode: int, flags: int
) -> Body:
    """A macvlan or ipvlan of an interface, born in another namespace; down.

    Args:
        name: there.
        kind: "macvlan" or "ipvlan".
        parent: index of the interface, here.
        namespace: descriptor of the network namespace.
        mac: hardware address, "" for the kernel's choice.
        mode: as the kernel numbers them.
        flags: of ipvlan.
    """
    if kind == "macvlan":
        data = nested(_INFO_DATA, u32(_MACVLAN_MODE, mode))
    else:
        data = nested(
            _INFO_DATA,
            attribute(_IPVLAN_MODE, struct.pack("=H", mode)),
            attribute(_IPVLAN_FLAGS, struct.pack("=H", flags)),
        )
    body = (
        _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + text(_IFLA_IFNAME, name)
        + (attribute(_IFLA_ADDRESS, pack_mac(mac)) if mac else b"")
        + u32(_IFLA_LINK, parent)
        + u32(_IFLA_NET_NS_FD, namespace)
        + nested(_IFLA_LINKINFO, attribute(_INFO_KIND, kind.encode()), data)
    )
    return RTM_NEWLINK, REQUEST | ACK | CREATE | EXCLUSIVE, body


def delete_link(name: str) -> Body:
    """Delete an interface by name; its pair goes with it."""
    body = _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)
    return RTM_DELLINK, REQUEST | ACK, body


def set_up(index: int) -> Body:
    """Bring an interface up."""
    return _change(index, up=True)


def set_down(index: int) -> Body:
    """Take an interface down."""
    return _change(index, up=False)


def label(name: str, alias: str) -> Body:
    """Give a free text to an interface, and keep it from making IPv6 addresses by itself."""
    silent = nested(socket.AF_INET6, attribute(_INET6_ADDR_GEN_MODE, bytes([_GENERATE_NONE])))
    return _change(
        0, text(_IFLA_IFNAME, name), text(_IFLA_IFALIAS, alias), nested(_IFLA_AF_SPEC, silent)
    )


def rename(index: int, name: str) -> Body:
    """Give another name to an interface that is down."""
    return _change(index, text(_IFLA_IFNAME, name))


def move(index: int, *, namespace: int, name: str) -> Body:
    """Move an interface that is down into another namespace, where it has a name."""
    return _change(index, text(_IFLA_IFNAME, name), u32(_IFLA_NET_NS_FD, namespace))


def set_mac(index: int, mac: str) -> Body:
    """Give another hardware address."""
    return _change(index, attribute(_IFLA_ADDRESS, pack_mac(mac)))


def set_mtu(name: str, mtu: int) -> Body:
    """Set the largest packet of an interface, bytes."""
    return _change(0, text(_IFLA_IFNAME, name), u32(_IFLA_MTU, mtu))


def enslave(name: str, bridge: int) -> Body:
    """Make an interface a port of a bridge and bring it up."""
    return _change(0, text(_IFLA_IFNAME, name), u32(_IFLA_MASTER, bridge), up=True)


def set_port(name: str, *, hairpin: bool, isolated: bool) -> Body:
    """Set a bridge port's mode.

    Args:
        name: the port.
        hairpin: a frame may leave by the port it came in.
        isolated: no frames between this and other isolated ports.
    """
    data = nested(
        _INFO_SLAVE_DATA,
        attribute(_BRPORT_MODE, bytes([hairpin])),
        attribute(_BRPORT_ISOLATED, bytes([isolated])),
    )
    info = nested(_IFLA_LINKINFO, attribute(_INFO_SLAVE_KIND, b"bridge"), data)
    return _change(0, text(_IFLA_IFNAME, name), info)


def get_link(name: str) -> Body:
    """Ask for one interface."""
    body = _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)
    return RTM_GETLINK, REQUEST | ACK, body


def list_links() -> Body:
    """Ask for all interfaces."""
    return RTM_GETLINK, REQUEST | DUMP, _link.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


def _family_of(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def add_address(index: int, address: Address, prefix: int) -> Body:
    """Give an interface an address (IPv4 with its broadcast, IPv6 usable at once)."""
    packed = address.packed
    flags = 0 if address.version == 4 else _IFA_F_NODAD
    body = _address.pack(_family_of(address), prefix, flags, 0, index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if isinstance(address, IPv4Address) and prefix < 31:
        network = IPv4Network((address, prefix), strict=False)
        body += attribute(_IFA_BROADCAST, network.broadcast_address.packed)
    return RTM_NEWADDR, REQUEST | ACK | CREATE | EXCLUSIVE, body


def delete_address(index: int, address: Address, prefix: int) -> Body:
    """Take an address from an interface."""
    body = _address.pack(_family_of(address), prefix, 0, 0, index)
    return RTM_DELADDR, REQUEST | ACK, body + attribute(_IFA_LOCAL, address.packed)


def list_addresses() -> Body:
    """Ask for all addresses of all interfaces."""
    return RTM_GETADDR, REQUEST | DUMP, _address.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


def _default_route(gateway: Address, index: int) -> bytes:
    header = _route.pack(
        _family_of(gateway), 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST, 0
    )
    return header + attribute(_RTA_GATEWAY, gateway.packed) + u32(_RTA_OIF, index)


def add_default_link_route(version: int, index: int) -> Body:
    """The default route over an interface where everybody is a neighbour."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    header = _route.pack(
        family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_LINK, _RTN_UNICAST, 0
    )
    return RTM_NEWROUTE, REQUEST | ACK | CREATE | EXCLUSIVE, header + u32(_RTA_OIF, index)


def add_default_route(gateway: Address, index: int) -> Body:
    """The default route, over an interface."""
    return RTM_NEWROUTE, REQUEST | ACK | CREATE | EXCLUSIVE, _default_route(gateway, index)


def delete_default_route(gateway: Address, index: int) -> Body:
    """Take the default route away."""
    return RTM_DELROUTE, REQUEST | ACK, _default_route(gateway, index)


def list_routes(family: int = socket.AF_INET) -> Body:
    """Ask for all routes of a family."""
    body = _route.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
    return RTM_GETROUTE, REQUEST | DUMP, body


def parse_link(answer: Message) -> Link:
    """Read an RTM_NEWLINK answer.

    Raises:
        NetlinkFormatError: truncated.
    """
    if len(answer.payload) < _link.size:
        raise NetlinkFormatError("truncated link message")
    _family, _type, index, flags, _mask = _link.unpack_from(answer.payload)
    found = parse_attributes(answer.payload[_link.size :])
    info = parse_attributes(found.get(_IFLA_LINKINFO, memoryview(b"")))
    return Link(
        index=index,
        name=parse_text(found[_IFLA_IFNAME]) if _IFLA_IFNAME in found else "",
        up=bool(flags & _IFF_UP),
        mac=bytes(found[_IFLA_ADDRESS]).hex(":") if _IFLA_ADDRESS in found else "",
        mtu=parse_u32(found[_IFLA_MTU]) if _IFLA_MTU in found else 0,
        kind=parse_text(info[_INFO_KIND]) if _INFO_KIND in info else "",
        alias=parse_text(found[_IFLA_IFALIAS]) if _IFLA_IFALIAS in found else "",
        master=parse_u32(found[_IFLA_MASTER]) if _IFLA_MASTER in found else 0,
    )


def parse_address(answer: Message) -> LinkAddress | None:
    """Read an RTM_NEWADDR answer; None for families other than IP.

    Raises:
        NetlinkFormatError: truncated.
    """
    if len(answer.payload) < _address.size:
        raise NetlinkFormatError("truncated address message")
    family, prefix, _flags, _scope, index = _address.unpack_from(answer.payload)
    found = parse_attributes(answer.payload[_address.size :])
    value = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
    address = None if value is None else _unpack_address(family, value)
    return None if address is None else LinkAddress(index, address, prefix)


def parse_route(answer: Message) -> IPv4Network | IPv6Network | None:
    """Destination of an RTM_NEWROUTE answer; None for default and local routes.

    Raises:
        NetlinkFormatError: truncated.
    """
    if len(answer.payload) < _route.size:
        raise NetlinkFormatError("truncated route message")
    family, prefix, _src, _tos, table, _proto, _scope, kind, _flags = _route.unpack_from(
        answer.payload
    )
    found = parse_attributes(answer.payload[_route.size :])
    number = parse_u32(found[_RTA_TABLE]) if _RTA_TABLE in found else table
    if number != _RT_TABLE_MAIN or kind != _RTN_UNICAST or _RTA_DST not in found or not prefix:
        return None
    address = _unpack_address(family, found[_RTA_DST])
    if isinstance(address, IPv4Address):
        return IPv4Network((address, prefix), strict=False)
    if isinstance(address, IPv6Address):
        return IPv6Network((address, prefix), strict=False)
    return None


def _unpack_address(family: int, value: memoryview) -> Address | None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    size = 4 if family == socket.AF_INET else 16
    if len(value) != size:
        raise NetlinkFormatError(f"address of {len(value)} bytes")
    return IPv4Address(bytes(value)) if size == 4 else IPv6Address(bytes(value))


def pack_mac(mac: str) -> bytes:
    """Six bytes of "02:42:ac:11:00:02".

    Raises:
        NetlinkFormatError: another form.
    """
    parts = mac.split(":")
    if len(parts) != 6 or not all(len(part) == 2 for part in parts):
        raise NetlinkFormatError(f"not a hardware address: {mac!r}")
    try:
        return bytes(int(part, 16) for part in parts)
    except ValueError:
        raise NetlinkFormatError(f"not a hardware address: {mac!r}") from None
