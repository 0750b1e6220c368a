"""What is known of a build under way: its vertices, in the order they were first heard of."""

from __future__ import annotations

import time

from wharfie.cli.output.values import mapping, number, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Message = Mapping[str, object]


class Status:
    """How far one part of a vertex is."""

    __slots__ = ("completed", "current", "name", "started", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.current = 0
        self.total = 0
        self.started: float | None = None
        self.completed: float | None = None


class Vertex:
    """One vertex."""

    __slots__ = (
        "cached", "completed", "digest", "error", "logs", "name", "number", "started", "statuses",
    )  # fmt: skip

    def __init__(self, digest: str, number_: int) -> None:
        self.digest = digest
        self.number = number_
        self.name = ""
        self.started: float | None = None
        self.completed: float | None = None
        self.cached = False
        self.error = ""
        self.statuses: dict[str, Status] = {}
        self.logs: list[tuple[float, bytes]] = []
        """Time in seconds since the vertex began, and output."""

    @property
    def seconds(self) -> float:
        """How long it took, or takes."""
        if self.started is None:
            return 0.0
        return max(0.0, (self.completed or time.time()) - self.started)


class Vertices:
    """All vertices of one build."""

    def __init__(self) -> None:
        self._by_digest: dict[str, Vertex] = {}

    def __iter__(self) -> Iterator[Vertex]:
        return iter(list(self._by_digest.values()))

    def take(self, message: Message) -> Vertex | None:
        """Note a message of the daemon; returns the vertex it is about."""
        if "vertex" in message:
            return self._state(mapping(message, "vertex"))
        if "status" in message:
            return self._status(mapping(message, "status"))
        if "log" in message:
            return self._log(mapping(message, "log"))
        return None

    def named(self, digest: str, name: str = "") -> Vertex:
        """A vertex, new where it is not known yet."""
        vertex = self._by_digest.get(digest)
        if vertex is None:
            vertex = self._by_digest[digest] = Vertex(digest, len(self._by_digest) + 1)
        vertex.name = name or vertex.name
        return vertex

    def begin(self, name: str) -> Vertex:
        """A vertex of the client's own begins."""
        vertex = self.named(name, name)
        vertex.started = time.time()
        return vertex

    def failed(self) -> Vertex | None:
        """The vertex that failed first, None while none did."""
        return next((one for one in self._by_digest.values() if one.error), None)

    def _state(self, found: Message) -> Vertex:
        vertex = self.named(text(found, "digest"), text(found, "name"))
        vertex.started = _moment(found, "started") or vertex.started
        vertex.completed = _moment(found, "completed") or vertex.completed
        vertex.cached = vertex.cached or found.get("cached") is True
        vertex.error = text(found, "error") or vertex.error
        return vertex

    def _status(self, found: Message) -> Vertex:
        vertex = self.named(text(found, "vertex"))
        name = text(found, "id")
        status = vertex.statuses.setdefault(name, Status(name))
        status.current, status.total = number(found, "current"), number(found, "total")
        status.started = _moment(found, "started") or status.started
        status.completed = _moment(found, "completed") or status.completed
        return vertex

    def _log(self, found: Message) -> Vertex:
        from binascii import a2b_base64

        vertex = self.named(text(found, "vertex"))
        at = (_moment(found, "time") or 0.0) - (vertex.started or 0.0)
        vertex.logs.append((max(0.0, at), a2b_base64(text(found, "data"))))
        return vertex


def _moment(found: Message, name: str) -> float | None:
    value = found.get(name)
    return float(value) if isinstance(value, (int, float)) else None
