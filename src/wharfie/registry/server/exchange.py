"""One request on its way through the server: what a route gets to see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports.access import ANONYMOUS, Action, Ask, Identity
from wharfie.registry.server.target import Target
from wharfie.web.request import Request

_MAX_PARAMETERS = 32


class Exchange:
    """A request, who sends it, and what it may do.

    Attributes:
        identity: who asks; known once access was granted.
        granted: what was granted.
        visible: of a page of the catalogue, what this client may pull.
    """

    __slots__ = ("_query", "granted", "identity", "request", "request_id", "target", "visible")

    def __init__(self, request: Request, target: Target, request_id: str) -> None:
        self.request = request
        self.target = target
        self.request_id = request_id
        self.identity: Identity = ANONYMOUS
        self.granted: Sequence[Ask] = ()
        self.visible: Callable[[Sequence[str]], Awaitable[Sequence[str]]] = _hidden
        self._query: list[tuple[str, str]] | None = None

    @property
    def repository(self) -> str:
        """The repository it is about, "" for none."""
        return self.target.repository

    def parameter(self, name: str) -> str | None:
        """The first query parameter of a name."""
        return next((value for key, value in self._parameters() if key == name), None)

    def parameters(self, name: str) -> list[str]:
        """All query parameters of a name."""
        return [value for key, value in self._parameters() if key == name]

    def header(self, name: str) -> str:
        """A header field by its lower-case name, "" for none."""
        return self.request.headers.get(name, "")

    def may(self, action: Action, repository: str) -> bool:
        """Tell whether an optional ask was granted."""
        return any(ask.action is action and ask.repository == repository for ask in self.granted)

    def _parameters(self) -> list[tuple[str, str]]:
        if self._query is None:
            try:
                self._query = parse_qsl(
                    self.request.query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS
                )
            except ValueError:
                raise Refused(Code.UNSUPPORTED, "too many query parameters") from None
        return self._query


async def _hidden(_repositories: Sequence[str]) -> Sequence[str]:
    return ()
