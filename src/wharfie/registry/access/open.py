"""Access for a registry that trusts whoever reaches it, as Docker's does without `auth`."""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.registry.ports.access import ANONYMOUS, Ask, Asking, Decision


class OpenAccess:
    """Everybody may do everything."""

    async def decide(self, asking: Asking, asks: Sequence[Ask]) -> Decision:  # noqa: ARG002 # open
        """See `ports.access.Access`."""
        return Decision(ANONYMOUS, asks)

    async def visible(self, asking: Asking, repositories: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 # open
        """See `ports.access.Access`."""
        return repositories
