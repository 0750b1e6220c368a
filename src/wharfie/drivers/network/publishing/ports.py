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
from ipaddress import ip_address

from msgspec import structs

from wharfie.drivers.network.publishing.service import Service, has_ipv6, has_sctp
from wharfie.drivers.network.publishing.wishes import (
    PROTOCOLS,
    parse_allow,
    parse_host_address,
    parse_host_ports,
    parse_port,
)
from wharfie.drivers.network.settings import ANY_HOST
from wharfie.model.errors import Internal
from wharfie.model.ids import ContainerId
from wharfie.model.network import Address, PortBinding, PublishedPort

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
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

    def __init__(self, service: Service | None = None) -> None:
        self._service = service or Service()
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
        inside: Sequence[str] = (),
    ) -> list[PublishedPort]:
        """Hold a host port for every wish: all of them, or none.

        Args:
            owner: for whom.
            wishes: container port ("80/tcp") and where to publish it.
            host_binding: host address where a wish names none.
            versions: 4 and 6 as far as the container has addresses.
            routed: those in which it is reached at its own address, so that no port is held.
            inside: the container's addresses, for messages.

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
                    addresses = self._addresses(binding, host_binding, allow, versions)
                    if routed or (protocol == "sctp" and not has_sctp()):
                        addresses = self._without_relays(addresses, versions, routed)
                    held = [one for one in addresses if one.version not in routed]
                    if held:
                        behind = [f"{_bracketed(one)}:{port}" for one in inside]
                        number = self._hold(owner, protocol, held, binding.host_port, behind)
                        published += [
                            PublishedPort(
                                port,
                                protocol,
                                str(one),
                                number,
                                allow,
                                relayed=self._service.is_relayed(one, versions),
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
            if one.protocol == "udp" or (one.protocol == "sctp" and not one.relayed):
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
                if port.protocol != "udp":
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

    def settled(
        self, ports: Sequence[PublishedPort], versions: Sequence[int]
    ) -> list[PublishedPort]:
        """Recorded ports, served as this daemon has ports served."""
        return [
            structs.replace(
                one,
                relayed=bool(one.host_port)
                and self._service.is_relayed(ip_address(one.host_ip), versions),
            )
            for one in ports
        ]

    def retake(self, ports: Sequence[PublishedPort]) -> list[PublishedPort]:
        """Try again to hold what was lost to somebody; what still is."""
        still = []
        with self._lock:
            for one in ports:
                hold = self._held.get(_key(one))
                if hold is None or hold.socket is not None:
                    continue
                try:
                    hold.socket = _bind(*_key(one))
                except OSError:
                    still.append(one)
        return still

    def _addresses(
        self,
        binding: PortBinding,
        default: str,
        allow: Sequence[str],
        versions: Sequence[int],
    ) -> list[Address]:
        """Host addresses a binding means; for all of the host, one of each version it has."""
        if binding.host_ip or default != ANY_HOST:
            wished = [parse_host_address(binding.host_ip or default)]
        else:
            wished = [ip_address(ANY_HOST)]
            if has_ipv6() and (not allow or any(":" in block for block in allow)):
                wished.append(ip_address("::"))
        return [one for one in wished if self._service.is_possible(one, versions)]

    def _without_relays(
        self, addresses: list[Address], versions: Sequence[int], routed: Sequence[int]
    ) -> list[Address]:
        """Leave out what a program would have to serve, and none can.

        Raises:
            PortTaken: nothing is left.
        """
        found = [
            one
            for one in addresses
            if one.version in routed or not self._service.is_relayed(one, versions)
        ]
        if addresses and not found and not routed:
            raise PortTaken(
                f"cannot relay SCTP to {_shown(addresses[0])}: this kernel has no SCTP sockets "
                "(load its module sctp)",
                own=False,
            )
        return found

    def _drop(self, key: Key) -> None:
        hold = self._held.pop(key, None)
        if hold is not None and hold.socket is not None:
            hold.socket.close()

    def _hold(
        self,
        owner: ContainerId,
        protocol: str,
        addresses: Sequence[Address],
        wish: str,
        behind: Sequence[str],
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
                self._hold_all(owner, protocol, addresses, number, behind)
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
        self,
        owner: ContainerId,
        protocol: str,
        addresses: Sequence[Address],
        number: int,
        behind: Sequence[str],
    ) -> None:
        held: list[Key] = []
        try:
            for address in addresses:
                key = (protocol, address, number)
                self._held[key] = self._try(owner, protocol, address, number, behind)
                held.append(key)
        except PortTaken:
            for key in held:
                self._drop(key)
            raise

    def _try(
        self,
        owner: ContainerId,
        protocol: str,
        address: Address,
        number: int,
        behind: Sequence[str],
    ) -> _Hold:
        others = (held for kind, held, port in self._held if (kind, port) == (protocol, number))
        if any(_collide(address, other) for other in others):
            raise PortTaken(
                f"Bind for {_shown(address)}:{number} failed: port is already allocated", own=True
            )
        try:
            return _Hold(owner, _bind(protocol, address, number))
        except OSError as error:
            raise _foreign(protocol, _shown(address), number, error, behind) from None

    def _ephemeral(self) -> Iterator[int]:
        first, last = _local_range()
        reserved = _reserved_ports()
        count = last - first + 1
        start = self._last_ephemeral - first + 1 if first <= self._last_ephemeral <= last else 0
        for step in range(count):
            number = first + (start + step) % count
            if number not in reserved:
                yield number


def _foreign(
    protocol: str, address: str, number: int, error: OSError, behind: Sequence[str] = ()
) -> PortTaken:
    words = os.strerror(error.errno or errno.EADDRINUSE)
    words = words[:1].lower() + words[1:]
    place = f"{address}:{number}"
    if behind:  # of the same family where there is one
        same = [one for one in behind if one.startswith("[") == address.startswith("[")]
        place = f"{place}:{[*same, *behind][0]}"
    return PortTaken(f"failed to bind host port for {place}/{protocol}: {words}", own=False)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _key(port: PublishedPort) -> Key:
    return port.protocol, ip_address(port.host_ip), port.host_port


def _shown(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _collide(one: Address, other: Address) -> bool:
    if one.version != other.version:
        return False
    return one == other or one.is_unspecified or other.is_unspecified


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
