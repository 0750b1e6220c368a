"""Watches what others may break: the firewall's rules, and the name server's life.

The kernel tells of every change of nftables and by whose socket it was made; a change that is not
ours is followed by a look at our table. The name server's end is seen by its connection.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time

from wharfie.drivers.network.firewall.tables import Firewall
from wharfie.drivers.network.naming import NameService
from wharfie.formats.network.netlink import NetlinkFormatError, parse_messages

_log = logging.getLogger(__name__)

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_GROUP_NFTABLES = 7
_RECEIVE_BUFFER = 1 << 20
_INTERVAL = 2.0
"""Seconds after which a look is taken although nobody said anything."""
_PAUSE = 0.2
"""Seconds between two looks: somebody may be loading thousands of rules."""


class Guard:
    """A thread that keeps firewall and name server whole, from `start` to `close`."""

    def __init__(self, firewall: Firewall, names: NameService) -> None:
        self._firewall = firewall
        self._names = names
        self._thread: threading.Thread | None = None
        self._wake = -1
        self._looked = 0.0

    def start(self) -> None:
        """Begin; a started one is left alone."""
        if self._thread is not None:
            return
        news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        news.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        news.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        news.setblocking(False)
        end, self._wake = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(
            target=self._run, args=(news, end), name="network guard", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            os.close(self._wake)
            thread.join()

    def _run(self, news: socket.socket, end: int) -> None:
        with news:
            while not self._turn(news, end):
                pass
        os.close(end)

    def _turn(self, news: socket.socket, end: int) -> bool:
        """Wait for news and deal with them once; True when it is to end."""
        poller = select.poll()
        for fd in (news.fileno(), end, self._names.fileno()):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        ready = dict(poller.poll(_INTERVAL * 1000))
        if end in ready:
            return True
        try:
            self._names.revive()
            if not ready or (news.fileno() in ready and self._is_foreign(news)):
                self._look()
        except OSError as error:
            _log.warning("cannot put the network in order: %s", error)
            time.sleep(_PAUSE)
        return False

    def _look(self) -> None:
        wait = self._looked + _PAUSE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._looked = time.monotonic()
        self._firewall.verify()

    def _is_foreign(self, news: socket.socket) -> bool:
        """Take all news up; tells whether any is of a change somebody else made."""
        foreign = False
        while True:
            try:
                messages = parse_messages(news.recv(1 << 18))
                foreign |= any(one.port != self._firewall.port for one in messages)
            except BlockingIOError:
                return foreign
            except (OSError, NetlinkFormatError):
                foreign = True  # more news than there was room for
