"""Published ports: which host port a binding gets, and the socket that keeps it ours.

A published port is held by a socket bound to it, so that no other program takes it and one that
has it already is noticed. The socket serves nobody: connections are redirected by the firewall
before they reach it, what slips through is dropped by a filter. `listen` comes last, once the
firewall redirects; without it another program with SO_REUSEADDR could still bind the port.

Source: behaviours 64, 166; ip_local_port_range and ip_local_reserved_ports in ip-sysctl.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

from msgspec import UNSET

from wharfie.drivers.network.settings import ANY_HOST
from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import ContainerId
from wharfie.model.network import Address, PortBinding, PublishedPort

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": 132}

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
_DISABLED_IPV6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6"
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_RELAY_BACKLOG = 128
_RETURN_NOTHING = struct.pack("=HBBI", 0x06, 0, 0, 0)

Key = tuple[str, Address, int]


class PortTaken(Internal):
    """A host port belongs to another container or another program; `own` tells which."""

    def __init__(self, message: str, *, own: bool) -> None:
        super().__init__(message)
        self.own = own


class _Hold:
    """One held port: who has it, and its socket (None where the protocol has no sockets)."""

    def __init__(self, owner: ContainerId, holder: socket.socket | None) -> None:
        self.owner = owner
        self.socket = holder


class PortAllocator:
    """Host ports of all containers; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: dict[Key, _Hold] = {}
        self._last_ephemeral = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def publish(
        self,
        owner: ContainerId,
        wishes: Sequence[tuple[str, PortBinding]],
        *,
        host_binding: str = ANY_HOST,
        versions: Sequence[int] = (4,),
        routed: Sequence[int] = (),
    ) -> list[PublishedPort]:
        """Hold a host port for every wish: all of them, or none.

        Args:
            owner: for whom.
            wishes: container port ("80/tcp") and where to publish it.
            host_binding: host address where a wish names none.
            versions: 4 and 6 as far as the container has addresses; other host addresses are
                relayed by a program.
            routed: those in which it is reached at its own address, so that no port is held.

        Raises:
            InvalidArgument: a wish of the wrong form.
            PortTaken: with Docker's words.
        """
        published: list[PublishedPort] = []
        with self._lock:
            try:
                for spec, binding in wishes:
                    port, protocol = parse_port(spec)
                    allow = parse_allow(binding)
                    addresses = _addresses(binding.host_ip, host_binding, allow)
                    if protocol == "sctp" or routed:
                        addresses = [one for one in addresses if not _is_relayed(one, versions)]
                    held = [one for one in addresses if one.version not in routed]
                    if held:
                        number = self._hold(owner, protocol, held, binding.host_port)
                        published += [
                            PublishedPort(
                                port,
                                protocol,
                                str(one),
                                number,
                                allow,
                                relayed=_is_relayed(one, versions),
                            )
                            for one in held
                        ]
                    published += [
                        PublishedPort(port, protocol, str(one), 0)
                        for one in addresses
                        if one.version in routed
                    ]
            except BaseException:
                for one in published:
                    self._drop(_key(one))
                raise
        return published

    def restore(self, owner: ContainerId, ports: Sequence[PublishedPort]) -> list[PublishedPort]:
        """Take a running container's ports back; the ones somebody else took meanwhile.

        Those stay recorded as ours: the firewall still redirects them.
        """
        lost: list[PublishedPort] = []
        with self._lock:
            for one in ports:
                key = _key(one)
                if key in self._held:
                    continue
                try:
                    holder = _bind(*key) if one.host_port else None
                except OSError:
                    holder = None
                    if not one.relayed:  # else it is still served by whom it was given to
                        lost.append(one)
                self._held[key] = _Hold(owner, holder)
        return lost

    def listen(self, ports: Sequence[PublishedPort]) -> None:
        """The firewall redirects now: shut other programs out for good.

        Raises:
            PortTaken: another program came in between.
        """
        for one in ports:
            if one.protocol != "tcp":
                continue
            hold = self._held.get(_key(one))
            if hold is None or hold.socket is None:
                continue
            try:
                hold.socket.listen(_RELAY_BACKLOG if one.relayed else 1)
            except OSError as error:
                raise _foreign(one.protocol, one.host_ip, one.host_port, error) from None

    def relay_socket(self, port: PublishedPort) -> int:
        """A duplicate of a held socket, ready to serve; the caller closes it.

        Raises:
            OSError: it is not held by a socket of ours.
        """
        with self._lock:
            hold = self._held.get(_key(port))
            if hold is None:
                raise OSError(errno.EBADF, f"port {port.host_port} is not held")
            if hold.socket is None:
                hold.socket = _bind(*_key(port))  # whoever served it is gone
                if hold.socket is None:
                    raise OSError(errno.EPROTONOSUPPORT, "no such protocol")
                if port.protocol == "tcp":
                    hold.socket.listen(_RELAY_BACKLOG)
            with contextlib.suppress(OSError):
                hold.socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return os.dup(hold.socket.fileno())

    def release(self, owner: ContainerId, ports: Sequence[PublishedPort]) -> list[PublishedPort]:
        """Let ports go; those that were `owner`'s. Repeating it is no error."""
        released: list[PublishedPort] = []
        with self._lock:
            for one in ports:
                key = _key(one)
                hold = self._held.get(key)
                if not one.host_port:
                    released.append(one)
                elif hold is not None and hold.owner == owner:
                    self._drop(key)
                    released.append(one)
        return released

    def owned(self, owner: ContainerId, ports: Sequence[PublishedPort]) -> list[PublishedPort]:
        """Those of `ports` that `owner` holds."""
        with self._lock:
            return [
                one
                for one in ports
                if not one.host_port
                or ((hold := self._held.get(_key(one))) is not None and hold.owner == owner)
            ]

    def close(self) -> None:
        """Let all sockets go."""
        with self._lock:
            for key in list(self._held):
                self._drop(key)

    def _drop(self, key: Key) -> None:
        hold = self._held.pop(key, None)
        if hold is not None and hold.socket is not None:
            hold.socket.close()

    def _hold(
        self, owner: ContainerId, protocol: str, addresses: Sequence[Address], wish: str
    ) -> int:
        """Hold the first number that is free on every address."""
        first, last = parse_host_ports(wish)
        if not first:
            candidates: Iterator[int] = self._ephemeral()
        else:
            candidates = iter(range(first, last + 1))
        problem: PortTaken | None = None
        for number in candidates:
            try:
                self._hold_all(owner, protocol, addresses, number)
            except PortTaken as error:
                problem = error
                continue
            if not first:
                self._last_ephemeral = number
            return number
        if problem is not None and first and first == last:
            raise problem
        if first:
            raise PortTaken(
                f"Bind for {_shown(addresses[0])}:{first}-{last} failed: all ports are allocated",
                own=True,
            )
        raise PortTaken("all ports are allocated", own=True)

    def _hold_all(
        self, owner: ContainerId, protocol: str, addresses: Sequence[Address], number: int
    ) -> None:
        held: list[Key] = []
        try:
            for address in addresses:
                key = (protocol, address, number)
                self._held[key] = self._try(owner, protocol, address, number)
                held.append(key)
        except PortTaken:
            for key in held:
                self._drop(key)
            raise

    def _try(self, owner: ContainerId, protocol: str, address: Address, number: int) -> _Hold:
        others = (held for kind, held, port in self._held if (kind, port) == (protocol, number))
        if any(_collide(address, other) for other in others):
            raise PortTaken(
                f"Bind for {_shown(address)}:{number} failed: port is already allocated", own=True
            )
        try:
            return _Hold(owner, _bind(protocol, address, number))
        except OSError as error:
            raise _foreign(protocol, _shown(address), number, error) from None

    def _ephemeral(self) -> Iterator[int]:
        first, last = _local_range()
        reserved = _reserved_ports()
        count = last - first + 1
        start = self._last_ephemeral - first + 1 if first <= self._last_ephemeral <= last else 0
        for step in range(count):
            number = first + (start + step) % count
            if number not in reserved:
                yield number


def _foreign(protocol: str, address: str, number: int, error: OSError) -> PortTaken:
    words = os.strerror(error.errno or errno.EADDRINUSE)
    words = words[:1].lower() + words[1:]
    return PortTaken(f"failed to bind host port {address}:{number}/{protocol}: {words}", own=False)


def _key(port: PublishedPort) -> Key:
    return port.protocol, ip_address(port.host_ip), port.host_port


def _shown(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _collide(one: Address, other: Address) -> bool:
    if one.version != other.version:
        return False
    return one == other or one.is_unspecified or other.is_unspecified


def _addresses(wish: str, default: str, allow: Sequence[str]) -> list[Address]:
    """Host addresses a binding means; for all of the host, one of each version it has."""
    if wish or default != ANY_HOST:
        return [parse_host_address(wish or default)]
    both = [ip_address(ANY_HOST)]
    if has_ipv6() and (not allow or any(":" in block for block in allow)):
        both.append(ip_address("::"))
    return both


def _is_relayed(address: Address, versions: Sequence[int]) -> bool:
    """Whether the kernel cannot redirect from a host address to the container's addresses."""
    return address.version not in versions or (address.version == 6 and address.is_loopback)


def has_ipv6() -> bool:
    """Whether this host has IPv6, at least on loopback."""
    try:
        with open(_DISABLED_IPV6, encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return False


def parse_allow(binding: PortBinding) -> tuple[str, ...]:
    """Blocks from which a port may be reached.

    Raises:
        InvalidArgument: no block.
    """
    blocks = []
    for text in binding.allow_from if binding.allow_from is not UNSET else ():
        try:
            blocks.append(str(ip_network(text, strict=False)))
        except ValueError:
            raise InvalidArgument(
                f"invalid allow-from: {text!r} is no block of addresses"
            ) from None
    return tuple(blocks)


def _bind(protocol: str, address: Address, number: int) -> socket.socket | None:
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    try:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        holder = socket.socket(family, kind, PROTOCOLS[protocol])
    except OSError as error:
        if protocol == "sctp" and error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return None
        raise
    try:
        if address.version == 6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # Connections that ended a moment ago must not make the port look taken.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(AttributeError):
            _drop_everything(holder)
        holder.bind((str(address), number))
    except OSError:
        holder.close()
        raise
    return holder


def _drop_everything(holder: socket.socket) -> None:
    program = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
    attach = struct.pack("HP", 1, ctypes.addressof(program))
    holder.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attach)


def _local_range() -> tuple[int, int]:
    with open(_RANGE, encoding="ascii") as file:
        first, last = file.read().split()
    return int(first), int(last)


def _reserved_ports() -> frozenset[int]:
    ports: set[int] = set()
    with open(_RESERVED, encoding="ascii") as file:
        for part in file.read().strip().split(","):
            first, _, last = part.partition("-")
            if first:
                ports.update(range(int(first), int(last or first) + 1))
    return frozenset(ports)


def parse_port(spec: str) -> tuple[int, str]:
    """Parse a container port, "80/tcp" or "80".

    Raises:
        InvalidArgument: no port number, or an unknown protocol.
    """
    number, _, protocol = spec.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    if not _is_port(number):
        raise InvalidArgument(f"invalid containerPort: {spec}")
    return int(number), protocol


def parse_host_ports(wish: str) -> tuple[int, int]:
    """Parse a host port or range ("8000-8010"); (0, 0) asks for an ephemeral one.

    Raises:
        InvalidArgument: another form.
    """
    if wish in ("", "0"):
        return 0, 0
    first, dash, last = wish.partition("-")
    if not _is_port(first) or (dash and not _is_port(last)) or (dash and int(last) < int(first)):
        raise InvalidArgument(f"invalid hostPort: {wish}")
    return int(first), int(last or first)


def parse_host_address(value: str) -> Address:
    """Parse a host address to publish on; IPv6 ones may be in brackets.

    Raises:
        InvalidArgument: no address.
    """
    try:
        return ip_address(value.strip("[]"))
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {value}") from None


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 5 and 0 < int(value) < 65536
