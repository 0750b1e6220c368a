"""What routes work with."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from wharfie.registry.config import Config
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports.access import Identity
from wharfie.registry.ports.upstream import Upstream
from wharfie.registry.ports.watching import Event, EventKind, Observer
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.storage import Content


class Services(Struct, kw_only=True):
    """The parts of a registry, as its routes see them.

    Attributes:
        observers: told of what happened.
        upstream: None for a registry that is nobody's cache.
        is_read_only: for now; begins as configured.
    """

    config: Config
    content: Content
    observers: Sequence[Observer] = ()
    upstream: Upstream | None = None
    is_read_only: bool = False

    def upstream_of(self, repository: str) -> Upstream | None:
        """Where a repository comes from, None for one that is at home here."""
        if self.upstream is not None and self.upstream.serves(repository):
            return self.upstream
        return None

    def hides(self, identity: Identity, repository: str) -> bool:
        """Tell whether somebody may not see what is stored of a repository: see `Upstream`."""
        return self.upstream is not None and self.upstream.hides(identity, repository)

    def check_writable(self, repository: str) -> None:
        """Refuse changes where none are wanted.

        Raises:
            Refused: UNSUPPORTED.
        """
        if self.is_read_only:
            raise Refused(Code.UNSUPPORTED, "the registry is read-only")
        if self.upstream_of(repository) is not None:
            raise Refused(Code.UNSUPPORTED, f"{repository} is a cache of another registry")

    def check_deletable(self, repository: str) -> None:
        """Refuse deletions where none are wanted.

        Raises:
            Refused: UNSUPPORTED.
        """
        if not self.config.storage.delete:
            raise Refused(Code.UNSUPPORTED, "deletion is disabled: see storage.delete.enabled")
        if self.is_read_only:
            raise Refused(Code.UNSUPPORTED, "the registry is read-only")
        # A cache forgets what it is told to forget.
        del repository

    def location(self, path: str) -> tuple[str, str]:
        """The field that leads a client to a path here."""
        return ("Location", self.config.http.host.rstrip("/") + path)

    def tell(
        self,
        exchange: Exchange,
        kind: EventKind,
        *,
        digest: str = "",
        tag: str = "",
        media_type: str = "application/octet-stream",
        size: int = 0,
        source: str = "",
        path: str = "",
    ) -> None:
        """Tell observers what happened to the repository of a request."""
        if not self.observers:
            return
        request = exchange.request
        event = Event(
            kind=kind,
            identity=exchange.identity,
            caller=request.caller,
            repository=exchange.repository,
            digest=digest,
            tag=tag,
            media_type=media_type,
            size=size,
            source=source,
            path=path,
            host=exchange.header("host"),
            method=request.method,
            user_agent=exchange.header("user-agent"),
            request_id=exchange.request_id,
            time=time.time(),
        )
        for observer in self.observers:
            observer.happened(event)
