"""Limits on how often a client may ask: token buckets, and a count of logins that failed.

A client is an address (of IPv6, its /64 network) or, once identified, a user. Tables are bounded;
whoever has not asked for longest is forgotten first. No bucket waits: what is too much is
answered 429 with the seconds after which it is not.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

from wharfie.model.errors import Unavailable

_MOST_CLIENTS = 20_000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TooMany(Unavailable):
    """A client asks more often than it may.

    `retry_after` is in whole seconds.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


class Buckets:
    """A token bucket a client.

    Args:
        rate: tokens a second that come back; 0 switches the limit off.
        burst: tokens a bucket holds.
        clock: monotonic seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until a client may ask; 0 when it may now."""
        if self._rate <= 0:
            return 0.0
        level, _ = self._level(client)
        return 0.0 if level >= 1 else (1 - level) / self._rate

    def take(self, client: str) -> float:
        """Take a token; seconds until there is one, 0 when there was."""
        if self._rate <= 0:
            return 0.0
        level, now = self._level(client)
        if level < 1:
            return (1 - level) / self._rate
        self._keep(client, level - 1, now)
        return 0.0

    def _level(self, client: str) -> tuple[float, float]:
        now = self._clock()
        level, since = self._levels.get(client, (self._burst, now))
        return min(self._burst, level + (now - since) * self._rate), now

    def _keep(self, client: str, level: float, now: float) -> None:
        self._levels[client] = (level, now)
        self._levels.move_to_end(client)
        if len(self._levels) > _MOST_CLIENTS:
            self._levels.popitem(last=False)


class Limits:
    """All limits of a registry.

    Args:
        requests: a second and client; 0 for any number.
        burst: requests at once.
        failures: failed logins a minute and address, and ten times as many for an account from
            anywhere: guessing is slow, yet nobody can lock another one out with a few; 0 for any.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, requests: float, burst: float, failures: float, clock: Callable[[], float]
    ) -> None:
        self._requests = Buckets(requests, burst, clock)
        self._addresses = Buckets(failures / 60, failures, clock)
        self._accounts = Buckets(failures / 6, failures * 10, clock)

    def ask(self, client: str) -> None:
        """Count a request.

        Raises:
            TooMany: it is one too many.
        """
        wait = self._requests.take(client)
        if wait:
            raise TooMany("you have reached your request rate limit", wait)

    def before_login(self, address: str, account: str) -> None:
        """Refuse to look at a password when too many were wrong.

        Raises:
            TooMany: by this address, or for this account.
        """
        wait = max(self._addresses.wait(address), self._accounts.wait(account))
        if wait:
            raise TooMany("too many failed logins", wait)

    def failed(self, address: str, account: str) -> None:
        """Count a failed login."""
        self._addresses.take(address)
        self._accounts.take(account)


def client_of(address: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The address limits and logs know a client by.

    Args:
        address: of the connection's other end, with its port; "" on unix sockets.
        forwarded: the X-Forwarded-For field: believed only as far as trusted proxies wrote it.
        trusted: networks of those proxies.
    """
    current = _host(address)
    for text in reversed(forwarded.split(",")) if forwarded else ():
        if not _is_in(current, trusted):
            break
        name = _host(text.strip())
        if _parse(name) is None:
            break
        current = name
    return current


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Tell whether the other end of a connection is a trusted proxy."""
    return _is_in(_host(address), trusted)


def bucket_of(address: str) -> str:
    """The name limits count an address by: whoever has one IPv6 address has a /64."""
    found = _parse(address)
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return address


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in networks)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _host(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
