"""Notifications, logs, metrics and health, as configured; seconds throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field


class EndpointConfig(Struct, frozen=True, kw_only=True):
    """One receiver of notifications.

    Attributes:
        name: for logs and metrics.
        headers: sent along; several values a name.
        timeout: of one try.
        threshold: failures in a row after which it is left alone for `backoff`.
        queue: events that may wait; the oldest are dropped.
        ignored_types: media types it is not told of.
        ignored_actions: "pull", "push", "mount", "delete".
    """

    name: str
    url: str
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    timeout: float = 5.0
    threshold: int = 10
    backoff: float = 1.0
    queue: int = 10_000
    ignored_types: Sequence[str] = ()
    ignored_actions: Sequence[str] = ()


class LogConfig(Struct, frozen=True, kw_only=True):
    """What is logged, and how.

    Attributes:
        level: "debug", "info", "warn" or "error".
        style: "text" or "json".
        fields: of every line.
        has_access: a line a request.
    """

    level: str = "info"
    style: str = "text"
    fields: Mapping[str, str] = field(default_factory=dict)
    has_access: bool = True


class DebugConfig(Struct, frozen=True, kw_only=True):
    """The second address, for the administrator: metrics and health.

    Attributes:
        addr: "" for none.
        metrics: path of the metrics there, "" for none.
    """

    addr: str = ""
    metrics: str = ""


class HealthConfig(Struct, frozen=True, kw_only=True):
    """What makes the registry say it is not well.

    Attributes:
        storage: try the storage every `interval`; 0 never.
        threshold: failures in a row that count.
        files: path → interval; a file that exists means "not well" (to drain a host).
    """

    interval: float = 10.0
    threshold: int = 3
    files: Mapping[str, float] = field(default_factory=dict)


class WatchingConfig(Struct, frozen=True, kw_only=True):
    """All of it; `has_page` is the page to browse with."""

    endpoints: Sequence[EndpointConfig] = ()
    log: LogConfig = LogConfig()
    debug: DebugConfig = DebugConfig()
    health: HealthConfig = HealthConfig()
    has_page: bool = True
