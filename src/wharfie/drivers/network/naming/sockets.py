"""The name server's sockets inside a sandbox.

They are bound to ports the kernel chose, and the sandbox's own firewall sends port 53 there: a
container may itself run a name server on port 53 of every address.

Source: behaviours 154.
"""

from __future__ import annotations

import errno
import logging
import socket
from ipaddress import IPv4Address

from wharfie.formats.network import nft
from wharfie.formats.network.nft import Body, Chain, Table
from wharfie.kernel.netlink import NETLINK_NETFILTER, KernelRefused, NetlinkSocket

SERVER_ADDRESS = "127.0.0.11"
_PORT = 53
_TABLE = Table("wharfie_dns")
_CHAIN = Chain(name="output", type="nat", hook=nft.OUTPUT, priority=-100)
_BACKLOG = 32
_log = logging.getLogger(__name__)


def open_sockets(*, again: bool = False) -> tuple[int, int]:
    """UDP socket and TCP listener, in the calling thread's network namespace.

    The caller closes both. Where the kernel has no NAT they are bound to port 53 themselves.

    Args:
        again: there were others. Replacing their table makes the kernel wait for a moment in
            which nobody uses it, some ten milliseconds, so it is not done without need.

    Raises:
        OSError: the namespace has no loopback, or the port is taken.
    """
    try:
        udp, tcp = _bind(0)
        try:
            with NetlinkSocket(NETLINK_NETFILTER) as netlink:
                netlink.transact(nft.batch(_redirections(udp, tcp, again=again)))
        except OSError:
            udp.close()
            tcp.close()
            raise
    except KernelRefused as refused:
        if refused.errno not in (errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT):
            raise
        _log.warning("no NAT inside sandboxes (%s): port 53 is taken there", refused.strerror)
        udp, tcp = _bind(_PORT)
    return udp.detach(), tcp.detach()


def _bind(port: int) -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        udp.bind((SERVER_ADDRESS, port))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((SERVER_ADDRESS, port))
        tcp.listen(_BACKLOG)
    except OSError:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def _redirections(udp: socket.socket, tcp: socket.socket, *, again: bool) -> list[Body]:
    bodies = [nft.add_table(_TABLE)]
    if again:
        bodies += [nft.delete_table(_TABLE), nft.add_table(_TABLE)]
    bodies.append(nft.add_chain(_TABLE, _CHAIN))
    own = IPv4Address(SERVER_ADDRESS).packed
    for protocol, one in ((socket.IPPROTO_UDP, udp), (socket.IPPROTO_TCP, tcp)):
        port = one.getsockname()[1]
        expressions = [
            nft.load_destination(nft.REG_1),
            nft.compare(nft.REG_1, own),
            nft.load_meta(nft.META_L4PROTO, nft.REG_1),
            nft.compare(nft.REG_1, bytes((protocol,))),
            nft.load_destination_port(nft.REG_1),
            nft.compare(nft.REG_1, _PORT.to_bytes(2, "big")),
            nft.load_value(nft.word(0), own),
            nft.load_value(nft.word(1), port.to_bytes(2, "big")),
            nft.destination_nat(),
        ]
        bodies.append(nft.add_rule(_TABLE, _CHAIN.name, expressions))
    return bodies
