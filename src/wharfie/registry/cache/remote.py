"""One upstream: which repository there is meant, as whom it is asked, what its refusals mean.

Each upstream has a client, tokens and connections of its own, so that no credential, token or
kept connection of one is ever used for another. What clients of this registry send (their
Authorization above all) is never passed on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wharfie.formats.reference import DEFAULT_DOMAIN, Reference, parse_reference
from wharfie.model.errors import EngineError, NotFound
from wharfie.model.registry import (
    ANONYMOUS,
    AccessRefused,
    Credentials,
    RegistryMisbehaves,
    RegistryUnreachable,
)
from wharfie.registry.client import RegistrySettings, RemoteRegistries, RemoteRepository
from wharfie.registry.client.settings import domain_of
from wharfie.registry.config.elsewhere import UpstreamConfig
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Identity
from wharfie.web.client import Dialer, Proxies, RequestError, parse_url

T = TypeVar("T")
_log = logging.getLogger(__name__)
_DOWN = 10.0
"""Seconds an upstream that could not be reached is not asked where storage has an answer."""
_SAY_AGAIN = 60.0


class Unreachable(Exception):
    """The upstream cannot say anything now."""


class Remote:
    """One upstream.

    Args:
        config: of it.
        agent: User-Agent.
        proxies: for requests to it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        config: UpstreamConfig,
        *,
        agent: str,
        proxies: Proxies,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        url = parse_url(config.url)
        self.prefix = config.prefix
        self.ttl = config.ttl
        self.name = url.authority
        self._users = frozenset(config.users)
        self._clock = clock
        self._down_until = 0.0
        self._said = -_SAY_AGAIN
        self._domain = domain_of(config.url)
        insecure = (f"{url.host}:{url.port}",) if config.is_insecure else ()
        only = {} if self._domain == DEFAULT_DOMAIN else {self._domain: url.at("")}
        settings = RegistrySettings(insecure=insecure, only=only, proxies=proxies, attempts=3)
        self._registries = RemoteRegistries(
            settings, agent=agent, dialer=Dialer(proxies=proxies, timeout=10.0, stall=30.0)
        )
        self._credentials = ANONYMOUS
        if config.username:
            self._credentials = Credentials(
                username=config.username, password=config.password, serveraddress=self._domain
            )

    @property
    def is_down(self) -> bool:
        """It could not be reached a moment ago."""
        return self._clock() < self._down_until

    def covers(self, repository: str) -> bool:
        """Tell whether a repository of ours is one of its."""
        return not self.prefix or repository.startswith(f"{self.prefix}/")

    def is_trusted(self, identity: Identity) -> bool:
        """Tell whether somebody may see what only this registry's credentials may see."""
        if self._credentials is ANONYMOUS or not self._users:
            return True
        return not identity.is_anonymous and (identity.name in self._users or "*" in self._users)

    def repository(self, repository: str, *, anonymous: bool = False) -> RemoteRepository:
        """The repository there that one of ours stands for.

        Args:
            repository: its name here.
            anonymous: ask as nobody, to learn what everybody may see.
        """
        rest = repository[len(self.prefix) + 1 :] if self.prefix else repository
        if self._domain == DEFAULT_DOMAIN:
            reference = parse_reference(f"{DEFAULT_DOMAIN}/{rest}")  # "busybox" is in "library/"
        else:
            reference = Reference(domain=self._domain, path=rest)
        credentials = ANONYMOUS if anonymous else self._credentials
        return self._registries.repository(reference, credentials)

    async def ask(self, verb: Callable[[], Awaitable[T]], unknown: Refused) -> T:
        """Do something with it.

        Args:
            verb: what.
            unknown: raised where it does not have what is asked for.

        Raises:
            Unreachable: it does not answer, or is too busy.
            Refused: it has said no.
        """
        try:
            return await verb()
        except NotFound:
            raise unknown from None
        except AccessRefused:
            # Not to be told apart from what is not there; and never kept as if it were public.
            raise unknown from None
        except RegistryMisbehaves as error:
            self._say("%s is not believed: %s", error)
            raise Refused(
                Code.UNAVAILABLE, f"the upstream registry {self.name} sent what it should not"
            ) from None
        except (RegistryUnreachable, RequestError, EngineError) as error:
            self._down_until = self._clock() + _DOWN
            self._say("%s cannot be reached, what is stored is served: %s", error)
            raise Unreachable(self.name) from None

    def unavailable(self) -> Refused:
        """What is answered where storage has nothing either."""
        return Refused(
            Code.UNAVAILABLE,
            f"the upstream registry {self.name} cannot be reached",
            headers=[("Retry-After", str(int(_DOWN)))],
        )

    async def close(self) -> None:
        """Close idle connections."""
        await self._registries.close()

    def _say(self, text: str, error: Exception) -> None:
        now = self._clock()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            _log.warning(text, self.name, error)
