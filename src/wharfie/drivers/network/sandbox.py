"""Sandboxes: network namespaces held by descriptors, a few of them made in advance.

A sandbox is never bound to a path. It lives as long as our descriptor or a process inside, and
the kernel frees it with all its interfaces, whatever way the daemon or the container ends.

Making one takes about a millisecond, most of it under the kernel's network lock; so a thread
keeps some ready, each with a veth pair that is a port already of the bridge joined last. Taking
more than are ready makes the pool grow, being idle lets it shrink again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from msgspec import Struct

from wharfie.drivers.network.links import HostLinks, random_mac, veth_name, write_sysctl
from wharfie.formats.network import rtnetlink
from wharfie.kernel import netns
from wharfie.kernel.netlink import NETLINK_ROUTE, NetlinkSocket
from wharfie.kernel.userns import make_network_namespace

_log = logging.getLogger(__name__)

LOOPBACK_INDEX = 1
FIRST_INDEX = 64
"""Interface index of the first interface; low ones may be taken by tunnels the kernel adds."""

_NO_IPV6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
_IDLE = 30.0
_PATIENCE = 0.004
"""Seconds after a sandbox was taken in which its container starts: making another would compete
with it for the kernel's network lock, so that waits unless few are left."""


class BridgePort(Struct, frozen=True):
    """How the outer end of a veth pair is a port: of which bridge, and its mode."""

    bridge: int
    icc: bool
    mtu: int


class Veth:
    """A veth pair of a sandbox: name outside, index, name and address inside."""

    def __init__(self, *, outside: str, index: int, inside: str, mac: str) -> None:
        self.outside = outside
        self.index = index
        self.inside = inside
        self.mac = mac
        self.port: BridgePort | None = None
        self.is_up = False


class Sandbox:
    """A network namespace we hold, with a netlink socket inside, and perhaps a spare veth."""

    def __init__(self, namespace: int, netlink: NetlinkSocket, spare: Veth | None) -> None:
        self.namespace = namespace
        self.netlink = netlink
        self.spare = spare

    def close(self) -> None:
        """Let go; closing twice is no error."""
        self.netlink.close()
        if self.namespace >= 0:
            namespace, self.namespace = self.namespace, -1
            os.close(namespace)


class SandboxFactory:
    """Makes sandboxes, in whatever thread it is called from."""

    def __init__(self, links: HostLinks, userns: int = -1) -> None:
        """Take the host's links, and the user namespace that owns sandboxes (-1: the host's)."""
        self._links = links
        self._userns = userns
        self.home = netns.open_current()
        self.preferred: BridgePort | None = None
        """What the outer ends of spare pairs are made ports of."""

    def close(self) -> None:
        """Free the descriptor of the host's namespace."""
        if self.home >= 0:
            home, self.home = self.home, -1
            os.close(home)

    def bare(self) -> Sandbox:
        """A namespace with a loopback device."""
        with self._new_namespace() as namespace:
            # New interfaces: no IPv6 unless their network has it.
            with contextlib.suppress(FileNotFoundError):
                write_sysctl(_NO_IPV6, "1")
            netlink = NetlinkSocket(NETLINK_ROUTE)
            try:
                netlink.run([rtnetlink.set_up(LOOPBACK_INDEX)])
            except OSError:
                netlink.close()
                raise
        return Sandbox(namespace, netlink, None)

    def _new_namespace(self) -> AbstractContextManager[int]:
        if self._userns < 0:
            return netns.inside_new(self.home)
        return self._inside_owned()

    @contextmanager
    def _inside_owned(self) -> Iterator[int]:
        namespace = make_network_namespace(self._userns)
        try:
            with netns.inside(namespace, self.home):
                yield namespace
        except BaseException:
            os.close(namespace)
            raise

    def wired(self) -> Sandbox:
        """A namespace with loopback and a spare veth called "eth0", up."""
        sandbox = self.bare()
        try:
            sandbox.spare = self.add_veth(sandbox.netlink, "eth0", index=FIRST_INDEX)
            sandbox.netlink.run([rtnetlink.set_up(FIRST_INDEX)])
            sandbox.spare.is_up = True
        except OSError:
            sandbox.close()
            raise
        preferred = self.preferred
        if preferred is not None:
            # The bridge may be gone meanwhile; then the pair is attached when it is used.
            with contextlib.suppress(OSError):
                self.attach(sandbox.spare, preferred)
        return sandbox

    def attach(self, veth: Veth, port: BridgePort) -> None:
        """Make a pair's outer end a port, if it is not already that."""
        if veth.port != port:
            self._links.attach(veth.outside, port.bridge, icc=port.icc, mtu=port.mtu)
            veth.port = port

    def add_veth(self, netlink: NetlinkSocket, inside: str, *, index: int, mac: str = "") -> Veth:
        """Make a veth pair between a sandbox and the host.

        Args:
            netlink: a socket inside the sandbox.
            inside: interface name there.
            index: its index, 0 lets the kernel choose.
            mac: its hardware address, "" for a random one.
        """
        outside, mac = veth_name(), mac or random_mac()
        netlink.run(
            [rtnetlink.create_veth(inside, outside, namespace=self.home, mac=mac, index=index)]
        )
        self._links.netlink.run([rtnetlink.label(outside, self._links.owner)])
        if not index:
            index = rtnetlink.parse_link(netlink.run([rtnetlink.get_link(inside)])[0]).index
        return Veth(outside=outside, index=index, inside=inside, mac=mac)


class SandboxPool:
    """Sandboxes made in advance by a thread of its own."""

    def __init__(self, make: Callable[[], Sandbox], *, ready: int, most_ready: int) -> None:
        self._make = make
        self._base = ready
        self._most = max(ready, most_ready)
        self._target = ready
        self._ready: deque[Sandbox] = deque()
        self._changed = threading.Condition()
        self._closed = True
        self._stalled = False
        self._taken_at = 0.0
        self._filler: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._ready)

    def start(self) -> None:
        """Begin to fill; a started pool is left alone."""
        with self._changed:
            if not self._closed:
                return
            self._closed = False
            self._filler = threading.Thread(target=self._fill, name="sandboxes", daemon=True)
            self._filler.start()

    def close(self) -> None:
        """Free all that are ready and end the thread; `start` may follow."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            filler, self._filler = self._filler, None
        if filler is not None:
            filler.join()
        while self._ready:
            self._ready.popleft().close()

    def take(self) -> Sandbox:
        """A ready sandbox, or one made now. May take milliseconds; not for the event loop.

        Raises:
            OSError: the kernel has no room for another.
        """
        sandbox = self.take_ready()
        if sandbox is not None:
            return sandbox
        with self._changed:
            if not self._closed:
                self._target = min(self._most, max(1, self._target) * 2)
            self._stalled = False
            self._changed.notify()
        return self._make()

    def take_ready(self) -> Sandbox | None:
        """A ready sandbox, at once; None when there is none."""
        with self._changed:
            if not self._ready:
                return None
            self._taken_at = time.monotonic()
            self._changed.notify()
            return self._ready.popleft()

    def _fill(self) -> None:
        while self._wait_for_room():
            try:
                sandbox = self._make()
            except OSError as error:
                _log.warning("cannot make a network sandbox in advance: %s", error)
                with self._changed:
                    self._stalled = True
                continue
            with self._changed:
                if not self._closed:
                    self._ready.append(sandbox)
                    continue
            sandbox.close()

    def _wait_for_room(self) -> bool:
        """Wait until another one is wanted; False when the pool is closed."""
        while True:
            surplus: list[Sandbox] = []
            with self._changed:
                while not self._closed and (wait := self._wait()) > 0:
                    if not self._changed.wait(wait) and wait == _IDLE:
                        surplus = self._shrink()
                        break
                else:
                    return not self._closed
            for sandbox in surplus:
                sandbox.close()

    def _wait(self) -> float:
        """Seconds before another one may be made, 0 for now."""
        if self._stalled or len(self._ready) >= self._target:
            return _IDLE
        if len(self._ready) * 2 < self._target:
            return 0.0
        return max(0.0, self._taken_at + _PATIENCE - time.monotonic())

    def _shrink(self) -> list[Sandbox]:
        """Nobody came for long: want as few as at first; the ones too many."""
        self._target = self._base
        return [self._ready.popleft() for _ in range(len(self._ready) - self._base)]


@contextlib.contextmanager
def namespace_of(pid: int, sandbox: Sandbox | None) -> Iterator[int]:
    """A descriptor of a running container's namespace."""
    if sandbox is not None and sandbox.namespace >= 0:
        namespace = os.dup(sandbox.namespace)
    else:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield namespace
    finally:
        os.close(namespace)


@contextlib.contextmanager
def netlink_inside(pid: int, sandbox: Sandbox | None) -> Iterator[NetlinkSocket]:
    """A netlink socket in a running container's sandbox."""
    with namespace_of(pid, sandbox) as namespace:
        netlink = netns.call_inside(namespace, lambda: NetlinkSocket(NETLINK_ROUTE))
    with netlink:
        yield netlink
