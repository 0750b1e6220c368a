"""Netlink sockets: requests in, answers or KernelRefused out.

A request is answered by the kernel before `send` returns, so nothing here waits for long;
what may take long is the lock a request needs (rtnl), so callers stay off the event loop.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from wharfie.formats.network.netlink import (
    FIRST_TYPE,
    MULTI,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    message,
    parse_messages,
    parse_outcome,
)

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_RECEIVE = 1 << 18
_RECEIVE_BUFFER = 1 << 20

Body = tuple[int, int, bytes]


class KernelRefused(OSError):
    """The kernel refused a request; `position` is its place in the batch."""

    def __init__(self, code: int, words: str, position: int) -> None:
        super().__init__(code, words or os.strerror(code))
        self.position = position


class NetlinkSocket:
    """One netlink socket; calls from several threads take turns.

    It belongs for ever to the network namespace of the thread that made it.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
        )
        self._lock = threading.Lock()
        self._sequence = 0
        try:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The kernel's number for this socket, by which its changes are announced."""
        address = self._socket.getsockname()
        return int(address[0])

    def close(self) -> None:
        """Free the descriptor; closing twice is no error."""
        self._socket.close()

    def run(self, bodies: Sequence[Body], *, ignore: frozenset[int] = frozenset()) -> list[Message]:
        """Send requests in one datagram, each asking for an acknowledgement; their answers.

        The kernel serves all of them, also those after a refused one.

        Args:
            bodies: requests.
            ignore: errno values that are as good as success.

        Raises:
            KernelRefused: the first request that failed.
        """
        with self._lock:
            first = self._sequence + 1
            self._sequence += len(bodies)
            self._send(bodies, first)
            return self._collect(first, len(bodies), ignore)

    def dump(self, body: Body) -> list[Message]:
        """Send one dump request; every answer.

        Raises:
            KernelRefused: the dump failed.
        """
        with self._lock:
            self._sequence += 1
            self._send([body], self._sequence)
            answers: list[Message] = []
            while True:
                for answer in parse_messages(self._socket.recv(_RECEIVE)):
                    if answer.sequence != self._sequence:
                        continue
                    if answer.type == NLMSG_ERROR:
                        outcome = parse_outcome(answer)
                        if outcome.errno:
                            raise KernelRefused(outcome.errno, outcome.text, 0)
                        return answers
                    if answer.type == NLMSG_DONE:
                        return answers
                    answers.append(answer)

    def transact(self, batch: Sequence[Body]) -> None:
        """Send a netfilter batch: all of it happens, or none.

        Args:
            batch: messages from batch begin to batch end.

        Raises:
            KernelRefused: the first message that was refused.
        """
        with self._lock:
            first = self._sequence + 1
            self._sequence += len(batch)
            self._send(batch, first)
            refused: KernelRefused | None = None
            while True:
                try:
                    data = self._socket.recv(_RECEIVE, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                for answer in parse_messages(data):
                    if answer.type != NLMSG_ERROR or answer.sequence < first:
                        continue
                    outcome = parse_outcome(answer)
                    if outcome.errno and refused is None:
                        refused = KernelRefused(
                            outcome.errno, outcome.text, answer.sequence - first
                        )
            if refused is not None:
                raise refused

    def _send(self, bodies: Sequence[Body], first: int) -> None:
        data = b"".join(
            message(type_, flags, first + position, body)
            for position, (type_, flags, body) in enumerate(bodies)
        )
        if len(data) > _RECEIVE // 2:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(data))
        self._socket.send(data)

    def _collect(self, first: int, count: int, ignore: frozenset[int]) -> list[Message]:
        answers: list[Message] = []
        refused: KernelRefused | None = None
        last = first + count - 1
        while True:
            for answer in parse_messages(self._socket.recv(_RECEIVE)):
                if answer.sequence < first:
                    continue
                if answer.type == NLMSG_ERROR:
                    outcome = parse_outcome(answer)
                    if outcome.errno and outcome.errno not in ignore and refused is None:
                        refused = KernelRefused(
                            outcome.errno, outcome.text, answer.sequence - first
                        )
                    if answer.sequence == last:
                        if refused is not None:
                            raise refused
                        return answers
                elif answer.type >= FIRST_TYPE and not answer.flags & MULTI:
                    answers.append(answer)


GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
"""What "it is not there" sounds like."""
EXISTS = frozenset({errno.EEXIST})
