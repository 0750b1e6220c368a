"""Departed endpoints: their addresses are given again only when their interfaces are gone.

After a container's end the kernel removes its interfaces by itself, some tenths of a second
later. One that still exists after the grace belongs to a sandbox that others keep alive
(`--network container:X`): it is deleted, so that two sandboxes never share an address.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.links import HostLinks
from wharfie.model.ids import NetworkId
from wharfie.model.network import Address, Endpoint

_log = logging.getLogger(__name__)

_INTERVAL = 0.2


class _Departed:
    """One endpoint on its way out; `since` by the monotonic clock."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.interface = endpoint.host_interface
        self.network_id = endpoint.network_id
        self.addresses = [
            ip_address(one) for one in (endpoint.address, endpoint.ipv6_address) if one
        ]
        self.since = time.monotonic()


class Departures:
    """Waits for interfaces to go, in a thread of its own that lives while there are any."""

    def __init__(self, links: HostLinks, book: AddressBook, *, grace: float) -> None:
        self._links = links
        self._book = book
        self._grace = grace
        self._waiting: list[_Departed] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, endpoints: Sequence[Endpoint]) -> None:
        """Free these endpoints' addresses once their interfaces are gone."""
        if not endpoints:
            return
        with self._changed:
            self._waiting += [_Departed(endpoint) for endpoint in endpoints]
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="departures", daemon=True)
                self._thread.start()

    def settle(self, network_id: NetworkId, address: Address | None = None) -> bool:
        """Free addresses now, by deleting interfaces that still exist; tells if any was freed.

        Args:
            network_id: of which network.
            address: only this one; None for all.
        """
        with self._changed:
            urgent = [
                one
                for one in self._waiting
                if one.network_id == network_id and (address is None or address in one.addresses)
            ]
        self._finish(urgent, by_force=True)
        return bool(urgent)

    def close(self) -> None:
        """End the thread; what is still waiting is removed at the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait(_INTERVAL)
                if self._closed or not self._waiting:
                    self._thread = None
                    return
                waiting = list(self._waiting)
            self._finish([one for one in waiting if not self._links.exists(one.interface)])
            late = time.monotonic() - self._grace
            try:
                self._finish([one for one in self._waiting if one.since < late], by_force=True)
            except OSError as error:
                _log.warning("cannot delete interfaces of ended containers: %s", error)

    def _finish(self, departed: Sequence[_Departed], *, by_force: bool = False) -> None:
        if by_force:
            self._links.delete([one.interface for one in departed if one.interface])
        with self._changed:
            for one in departed:
                if one in self._waiting:
                    self._waiting.remove(one)
                    for address in one.addresses:
                        self._book.free(one.network_id, address)
