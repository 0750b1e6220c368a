"""Access for a registry that trusts whoever reaches it, as Docker's does without `auth`.

`open_access` chooses: only a registry with something to check loads what checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from wharfie.registry.config import Config
from wharfie.registry.ports import ANONYMOUS, Access, Ask, Asking, Decision, Page


class OpenAccess:
    """Everybody may do everything."""

    async def decide(self, asking: Asking, asks: Sequence[Ask]) -> Decision:  # noqa: ARG002 # open
        """See `ports.access.Access`."""
        return Decision(ANONYMOUS, asks)

    async def visible(self, asking: Asking, repositories: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 # open
        """See `ports.access.Access`."""
        return repositories


class OpenedAccess(Struct, frozen=True, kw_only=True):
    """Access control, ready.

    Attributes:
        access: decides.
        pages: that belong to it: the token endpoint.
        reload: reads accounts and keys again; ConfigError where they cannot be used, and then
            nothing changes.
        close: ends its threads.
    """

    access: Access
    pages: Mapping[str, Page] = field(default_factory=dict)
    reload: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None


def open_access(config: Config) -> OpenedAccess:
    """Make access control as configured.

    Raises:
        ConfigError: a file it needs cannot be used.
    """
    access = config.access
    asks_certificates = config.tls is not None and bool(config.tls.client_cas)
    has_login = bool(access.accounts or access.token_server or asks_certificates)
    if not has_login and access.rules is None and not access.requests:
        return OpenedAccess(access=OpenAccess())
    # Not at the top: a registry without access control needs neither bcrypt nor cryptography.
    from wharfie.registry.access.opening import open_gate  # noqa: PLC0415

    return open_gate(config)
