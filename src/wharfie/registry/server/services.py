"""What routes work with."""

from __future__ import annotations

from msgspec import Struct

from wharfie.registry.config import Config
from wharfie.registry.ports.upstream import Upstream


class Services(Struct, kw_only=True):
    """The parts of a registry, as its routes see them.

    Attributes:
        upstream: None for a registry that is nobody's cache.
    """

    config: Config
    upstream: Upstream | None = None
