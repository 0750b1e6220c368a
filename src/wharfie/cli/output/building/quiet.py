"""`--progress=quiet` and `rawjson`: nothing, and what the daemon said as it is."""

from __future__ import annotations

import sys

from wharfie.cli.output.building.vertices import Vertices
from wharfie.formats.gojson import dumps
from wharfie.formats.timestamps import rfc3339_nano

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from wharfie.cli.output.building.vertices import Message, Vertex


class QuietProgress:
    """Prints nothing."""

    def __init__(self) -> None:
        self.vertices = Vertices()

    def take(self, message: Message) -> None:
        """Note a message."""
        self.vertices.take(message)

    def show(self, vertex: Vertex) -> None:
        """Something about a vertex changed."""

    def note(self, text: str) -> None:
        """A line of no vertex."""

    def finish(self) -> None:
        """The build is over."""


class RawProgress(QuietProgress):
    """Prints BuildKit's SolveStatus objects, one a line: vertices, statuses, logs."""

    def __init__(self, out: TextIO | None = None) -> None:
        super().__init__()
        self._out = out or sys.stderr

    def take(self, message: Message) -> None:
        """Print one message."""
        vertex = self.vertices.take(message)
        if vertex is None:
            return
        if "log" in message:
            found = message["log"]
            assert isinstance(found, dict)
            moment = _spelled(found.get("time"))
            log = {**found, "timestamp": moment}
            log.pop("time", None)
            self._say({"logs": [log]})
        elif "status" in message:
            self._statuses(vertex)
        else:
            self.show(vertex)

    def show(self, vertex: Vertex) -> None:
        """Print a vertex."""
        document: dict[str, object] = {"digest": vertex.digest, "name": vertex.name}
        for name, moment in (("started", vertex.started), ("completed", vertex.completed)):
            if moment is not None:
                document[name] = _spelled(moment)
        if vertex.cached:
            document["cached"] = True
        if vertex.error:
            document["error"] = vertex.error
        self._say({"vertexes": [document]})  # codespell:ignore vertexes
        if vertex.statuses:
            self._statuses(vertex)

    def _statuses(self, vertex: Vertex) -> None:
        found: list[object] = []
        for one in vertex.statuses.values():
            document: dict[str, object] = {
                "id": one.name,
                "vertex": vertex.digest,
                "current": one.current,
                "total": one.total,
            }
            for name, moment in (("started", one.started), ("completed", one.completed)):
                if moment is not None:
                    document[name] = _spelled(moment)
            found.append(document)
        self._say({"statuses": found})

    def _say(self, document: dict[str, object]) -> None:
        self._out.write(dumps(document) + "\n")
        self._out.flush()


def _spelled(moment: object) -> str:
    seconds = float(moment) if isinstance(moment, (int, float)) else 0.0
    return rfc3339_nano(int(seconds * 1e9))
