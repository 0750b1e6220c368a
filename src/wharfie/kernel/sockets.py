"""Sockets as the kernel knows them: who listens, who is at the other end, which way a peer came.

Sources: unix(7) SO_PEERCRED, proc_net(5), netdevice(7), ip(7) IP_PKTOPTIONS, linux/ipv6.h.
"""

from __future__ import annotations

import fcntl
import glob
import os
import socket
import struct
from collections.abc import Iterator

from msgspec import Struct

_CREDENTIALS = struct.Struct("3i")
_LISTEN = "0A"
_SIOCGIFADDR = 0x8915
_IP_PKTINFO = 8
_IP_PKTOPTIONS = 9
_IPV6_2292PKTINFO = 2
_IPV6_2292PKTOPTIONS = 6
_CONTROL = struct.Struct("@Nii")
"""cmsg_len, cmsg_level, cmsg_type"""
_PKTINFO4 = struct.Struct("@i4s4s")
_PKTINFO6 = struct.Struct("@16si")


class Credentials(Struct, frozen=True):
    """Who connected a unix socket, or who listens on it."""

    pid: int
    uid: int
    gid: int


class Holder(Struct, frozen=True):
    """A process by number and name; 0 and "" where it cannot be told."""

    pid: int = 0
    program: str = ""

    def __str__(self) -> str:
        """`dockerd (PID 4711)`, for messages."""
        return f"{self.program or 'a process'} (PID {self.pid})" if self.pid else "another process"


def peer_credentials(connection: socket.socket) -> Credentials:
    """Credentials of a unix socket's other end, as of its connect or listen."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Credentials(*_CREDENTIALS.unpack(raw))


def program_of(pid: int) -> str:
    """The short name of a process, "" when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def listener_of_port(port: int) -> Holder:
    """Find who listens on a TCP port in this network namespace; costs a walk over `/proc`."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return Holder()
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for path in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target in wanted:
            pid = int(path.split("/")[2])
            return Holder(pid, program_of(pid))
    return Holder()


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def address_of_interface(name: str) -> str:
    """The first IPv4 address of an interface, "" without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16s24x", name.encode()[:15])
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, request)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def remember_interface(listening: socket.socket) -> None:
    """Have connections accepted from here know the interface they came in by."""
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, _IPV6_2292PKTINFO, 1)
    else:
        listening.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def incoming_interface(connection: socket.socket) -> int:
    """Index of the interface a TCP connection's first packet came in by, 0 when unknown.

    The listening socket must have been told to remember it.
    """
    level, option = socket.IPPROTO_IP, _IP_PKTOPTIONS
    if connection.family == socket.AF_INET6:
        level, option = socket.IPPROTO_IPV6, _IPV6_2292PKTOPTIONS
    try:
        raw = connection.getsockopt(level, option, 256)
    except OSError:
        return 0
    position = 0
    while position + _CONTROL.size <= len(raw):
        length, kind_level, _ = _CONTROL.unpack_from(raw, position)
        data = raw[position + _CONTROL.size : position + length]
        if kind_level == socket.IPPROTO_IP and len(data) >= _PKTINFO4.size:
            return int(_PKTINFO4.unpack_from(data)[0])
        if kind_level == socket.IPPROTO_IPV6 and len(data) >= _PKTINFO6.size:
            return int(_PKTINFO6.unpack_from(data)[1])
        if length < _CONTROL.size:
            break
        position += (length + 7) & ~7
    return 0
