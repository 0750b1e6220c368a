"""What stands around the API: access, TLS, what watches, and the administrator's second address.

`open_surroundings` makes it as configured; `start` begins what runs beside the requests, `reload`
reads certificates, accounts and keys again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from wharfie import __version__
from wharfie.model.nursery import Nursery
from wharfie.registry.access import OpenedAccess, open_access
from wharfie.registry.cache import Cache
from wharfie.registry.config import Config, ConfigError
from wharfie.registry.encryption import Encryption
from wharfie.registry.pages.browsing import TOP, Browsing
from wharfie.registry.ports import Access, NoSuchKey, Observer, Page
from wharfie.registry.storage import Content
from wharfie.registry.watching.health import Health
from wharfie.registry.watching.logs import AccessLog
from wharfie.registry.watching.metrics import Metrics
from wharfie.registry.watching.notifications import Notifications
from wharfie.web import Reply, Request, Response, Server
from wharfie.web.client import InvalidUrl, Proxies
from wharfie.web.listening import TcpListener
from wharfie.web.server import Limits

AGENT = f"wharfie-registry/{__version__}"
_log = logging.getLogger(__name__)
_LAST_CHANCE = 2.0
_PROBED = "health-probe"


class Surroundings:
    """All of it.

    Attributes:
        access: who may do what.
        tls: of the listeners, None for plain ones.
        observers: are told of everything.
        pages: outside /v2/.
        upstream: None for a registry that is nobody's cache.
    """

    def __init__(self, config: Config, opened: OpenedAccess, content: Content) -> None:
        watching = config.watching
        self._config = config
        self._opened = opened
        self._background = Nursery()
        self._debug: Server | None = None
        self.access: Access = opened.access
        self.tls = Encryption(config.tls) if config.tls else None
        self.metrics = Metrics()
        self.health = Health(watching.health, lambda: _probe(content))
        self._log = AccessLog(watching.log) if watching.log.has_access else None
        self._notifications: Notifications | None = None
        self.observers: Sequence[Observer] = [self.metrics]
        if self._log is not None:
            self.observers = [*self.observers, self._log]
        if watching.endpoints:
            self._notifications = Notifications(
                watching.endpoints, base=config.http.host, agent=AGENT
            )
            self.metrics.add(self._notifications.samples)
            self.observers = [*self.observers, self._notifications]
        self.upstream: Cache | None = None
        if config.upstreams:
            self.upstream = Cache(config.upstreams, content, agent=AGENT, proxies=_proxies())
            self.metrics.add(self.upstream.samples)
        self.pages: Mapping[str, Page] = {**opened.pages, "/health": self.health.page}
        if watching.has_page:
            accounts = config.access.accounts
            browsing = Browsing(
                content,
                opened.access,
                realm=accounts.realm if accounts else "",
                hides=self.upstream.hides if self.upstream else lambda _identity, _name: False,
            )
            self.pages = {**self.pages, "/": browsing.front, TOP: browsing.answer}

    async def start(self) -> None:
        """Begin to watch; ListenError when the second address cannot be had."""
        self._background.start(self.health.run(), "health checks")
        if self._notifications is not None:
            self._background.start(self._notifications.run(), "notifications")
        if self.tls is not None:
            self._background.start(self.tls.watch(), "certificates")
        debug = self._config.watching.debug
        if debug.addr:
            pages: dict[str, Page] = {"/debug/health": self.health.details}
            if debug.metrics:
                pages[debug.metrics] = self.metrics.page
            self._debug = Server(_answering(pages), limits=Limits(connections=64))
            await self._debug.listen(listener_of(debug.addr))

    async def reload(self, server: Server) -> None:
        """Read certificates, accounts and keys again; what cannot be used changes nothing."""
        try:
            await asyncio.to_thread(self._opened.reload)
            if self.tls is not None:
                await self.tls.reload(server)
        except ConfigError as error:
            _log.error("reload failed, the old set-up goes on: %s", error)
        else:
            _log.info("certificates, accounts and keys are read again")

    async def close(self) -> None:
        """Tell receivers what is left to tell, and end."""
        if self._notifications is not None:
            await self._notifications.close(timeout=_LAST_CHANCE)
        if self._debug is not None:
            await self._debug.close(timeout=0)
        if self.upstream is not None:
            await self.upstream.close()
        await self._background.close(grace=0)
        if self._log is not None:
            self._log.close()
        if self.tls is not None:
            self.tls.close()
        self._opened.close()


def open_surroundings(config: Config, content: Content) -> Surroundings:
    """Make them as configured.

    Raises:
        ConfigError: a file they need cannot be used.
    """
    return Surroundings(config, open_access(config), content)


def listener_of(addr: str, tls: Encryption | None = None) -> TcpListener:
    """The listener of a configured address."""
    host, _, port = addr.rpartition(":")
    return TcpListener(host=host.strip("[]") or "::", port=int(port), tls=tls)


def _proxies() -> Proxies:
    """From the environment, as every program has them.

    Raises:
        ConfigError: a proxy is no URL.
    """

    def value(name: str) -> str:
        return os.environ.get(name.upper(), "") or os.environ.get(name, "")

    try:
        return Proxies.of(
            http=value("http_proxy"), https=value("https_proxy"), exceptions=value("no_proxy")
        )
    except InvalidUrl as error:
        raise ConfigError(f"HTTP_PROXY or HTTPS_PROXY: {error}") from None


def _answering(pages: Mapping[str, Page]) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(request: Request) -> Reply:
        page = pages.get(request.path)
        if page is None or request.method not in ("GET", "HEAD"):
            return Response(404)
        return await page(request)

    return answer


async def _probe(content: Content) -> None:
    """Touch the storage: a read that finds nothing is an answer."""
    try:
        await content.store.read(f"{_PROBED}-{os.getpid()}-{int(time.time())}", 1)
    except NoSuchKey:
        return
