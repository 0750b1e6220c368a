"""What can go wrong with an exchange; texts follow Go's, which users and tools know.

RequestError
├── ConnectFailed     no connection: name, route, proxy or time; nothing was sent
│   └── TlsFailed     the handshake was refused by either side
├── ConnectionLost    the connection ended, or went silent, in the middle
└── MalformedReply    the other side does not speak HTTP as it should
"""

from __future__ import annotations


class RequestError(Exception):
    """An exchange failed below HTTP's own statuses."""


class ConnectFailed(RequestError):
    """No connection could be made."""


class TlsFailed(ConnectFailed):
    """TLS could not be agreed on.

    `is_plain` tells that the other side does not speak TLS at all, `is_untrusted` that its
    certificate was refused.
    """

    def __init__(self, message: str, *, is_plain: bool, is_untrusted: bool) -> None:
        super().__init__(message)
        self.is_plain = is_plain
        self.is_untrusted = is_untrusted


class ConnectionLost(RequestError):
    """The connection ended before the reply did."""


class MalformedReply(RequestError):
    """The reply breaks HTTP's rules or this client's bounds."""
