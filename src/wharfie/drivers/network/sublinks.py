"""The drivers macvlan and ipvlan: a container's interface is a further face of one of the host's.

    -o parent=eth0 | eth0.10 (a VLAN, made when missing); without one, a pair that leads nowhere
    -o macvlan_mode=bridge|vepa|private|passthru
    -o ipvlan_mode=l2|l3|l3s   -o ipvlan_flag=bridge|private|vepa

The host's firewall does not see this traffic: no ports are published and nothing is translated.

Source: Docker documentation, "Macvlan network driver" and "IPvlan network driver".
"""

from __future__ import annotations

from msgspec import Struct

from wharfie.drivers.network.links import HostLinks, random_mac
from wharfie.formats.network import rtnetlink
from wharfie.kernel.netlink import EXISTS, KernelRefused
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.ids import short
from wharfie.model.network import Network

DRIVERS = ("macvlan", "ipvlan")
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


class SublinkOptions(Struct, frozen=True, kw_only=True):
    """Options of one such network.

    Attributes:
        kind: "macvlan" or "ipvlan".
        parent: the host's interface.
        own_parent: the parent is ours: it leads nowhere.
        mode: the kernel's number.
        flags: the kernel's number, ipvlan only.
        is_routed: containers route by themselves (ipvlan l3): there is no gateway.
    """

    kind: str
    parent: str
    own_parent: bool = False
    mode: int = 0
    flags: int = 0
    is_routed: bool = False

    @classmethod
    def of(cls, network: Network) -> SublinkOptions:
        """Parse a network's options.

        Raises:
            InvalidArgument: a value that is none.
        """
        options, kind = network.options, network.driver
        parent = options.get("parent", "")
        mode = options.get(f"{kind}_mode", "")
        if kind == "macvlan":
            return cls(
                kind=kind,
                parent=parent or f"dm-{short(network.id)}",
                own_parent=not parent,
                mode=_chosen(_MACVLAN_MODES, mode or "bridge", "macvlan"),
            )
        return cls(
            kind=kind,
            parent=parent or f"di-{short(network.id)}",
            own_parent=not parent,
            mode=_chosen(_IPVLAN_MODES, mode or "l2", "ipvlan"),
            flags=_chosen(_IPVLAN_FLAGS, options.get("ipvlan_flag", "") or "bridge", "ipvlan"),
            is_routed=mode in ("l3", "l3s"),
        )


def _chosen(known: dict[str, int], value: str, kind: str) -> int:
    if value not in known:
        raise InvalidArgument(f"requested {kind} mode '{value}' is not valid")
    return known[value]


def ensure_parent(links: HostLinks, options: SublinkOptions) -> int:
    """The parent's index; a VLAN and a parent of our own are made when they are missing.

    Raises:
        InvalidArgument: the host has no such interface.
        NotSupported: the kernel cannot make it.
    """
    link = links.find(options.parent)
    if link is None:
        try:
            _make_parent(links, options)
        except KernelRefused as refused:
            raise NotSupported(f"cannot make {options.parent}: {refused.strerror}") from None
        link = links.find(options.parent)
    if link is None:
        raise InvalidArgument(f"-o parent interface was not found on the host: {options.parent}")
    links.netlink.run([rtnetlink.set_up(link.index)])
    other = links.find(_other_end(options)) if options.own_parent else None
    if other is not None:  # without it up, nobody has a carrier
        links.netlink.run([rtnetlink.set_up(other.index)])
    return link.index


def _other_end(options: SublinkOptions) -> str:
    return f"{options.parent[:13]}-x"


def _make_parent(links: HostLinks, options: SublinkOptions) -> None:
    if options.own_parent:
        body = rtnetlink.create_pair(options.parent, _other_end(options))
        links.netlink.run([body, rtnetlink.label(options.parent, links.owner)], ignore=EXISTS)
        return
    base, dot, number = options.parent.rpartition(".")
    above = links.find(base) if dot and number.isdecimal() and 0 < int(number) < 4095 else None
    if above is not None:
        body = rtnetlink.create_vlan(options.parent, parent=above.index, number=int(number))
        links.netlink.run([body, rtnetlink.label(options.parent, links.owner)], ignore=EXISTS)


def create_sublink(
    links: HostLinks, options: SublinkOptions, parent: int, *, name: str, namespace: int, mac: str
) -> str:
    """Make a container's interface straight in its namespace; its hardware address.

    Raises:
        NotSupported: the kernel does not have the driver.
        OSError: the kernel refused.
    """
    mac = mac or random_mac()
    body = rtnetlink.create_sublink(
        name,
        kind=options.kind,
        parent=parent,
        namespace=namespace,
        mac=mac if options.kind == "macvlan" else "",
        mode=options.mode,
        flags=options.flags,
    )
    try:
        links.netlink.run([body])
    except KernelRefused as refused:
        if refused.errno == 95:
            raise NotSupported(f"this kernel has no {options.kind}") from None
        raise
    return mac
