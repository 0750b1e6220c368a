"""`--progress=plain`: lines that only ever grow. Source: BuildKit `util/progress/progressui`."""

from __future__ import annotations

import sys

from wharfie.cli.output.building.vertices import Vertices
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from wharfie.cli.output.building.vertices import Message, Status, Vertex


class PlainProgress:
    """Prints a build line by line; a vertex that speaks after another names itself again."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.vertices = Vertices()
        self._out = out or sys.stderr
        self._last: Vertex | None = None
        self._said: dict[str, set[str]] = {}
        self._logged: dict[str, int] = {}
        self._cut: dict[str, bytes] = {}

    def take(self, message: Message) -> None:
        """Show a message of the daemon."""
        vertex = self.vertices.take(message)
        if vertex is not None and (vertex.started is not None or vertex.cached or vertex.error):
            self.show(vertex)

    def show(self, vertex: Vertex) -> None:
        """Print what is new about a vertex."""
        said = self._said.setdefault(vertex.digest, set())
        if "END" in said:
            return
        if self._last is not vertex:
            if self._last is not None:
                self._line("")
            self._line(f"#{vertex.number} {vertex.name}")
            said.add("BEGIN")
            self._last = vertex
        for status in vertex.statuses.values():
            self._status(vertex, status, said)
        self._logs(vertex)
        if vertex.completed is not None or vertex.error:
            said.add("END")
            self._end(vertex)
        self._out.flush()

    def note(self, text: str) -> None:
        """Print a line of no vertex."""
        if self._last is not None:
            self._line("")
            self._last = None
        self._line(text)
        self._out.flush()

    def finish(self) -> None:
        """The build is over."""
        if self._last is not None:
            self._line("")
        self._out.flush()

    def _status(self, vertex: Vertex, status: Status, said: set[str]) -> None:
        if status.completed is None:
            return
        mark = f"{status.name} done"
        if mark in said:
            return
        said.add(mark)
        size = f" {human_size(status.current)}" if status.current else ""
        if status.total and status.total != status.current:
            size += f" / {human_size(status.total)}"
        seconds = status.completed - (status.started or status.completed)
        took = f" {seconds:.1f}s" if seconds >= 0.05 else ""
        self._line(f"#{vertex.number} {status.name}{size}{took} done")

    def _logs(self, vertex: Vertex) -> None:
        shown = self._logged.get(vertex.digest, 0)
        for at, data in vertex.logs[shown:]:
            whole = self._cut.pop(vertex.digest, b"") + data
            lines = whole.split(b"\n")
            if lines[-1]:
                self._cut[vertex.digest] = lines[-1]
            for line in lines[:-1]:
                self._output(vertex, at, line)
        self._logged[vertex.digest] = len(vertex.logs)
        if vertex.completed is not None and vertex.digest in self._cut:
            self._output(vertex, vertex.seconds, self._cut.pop(vertex.digest))

    def _output(self, vertex: Vertex, at: float, line: bytes) -> None:
        shown = line.decode(errors="replace").rstrip("\r")
        self._line(f"#{vertex.number} {at:.3f} {shown}")

    def _end(self, vertex: Vertex) -> None:
        if vertex.error:
            word = "CANCELED" if vertex.error == "context canceled" else f"ERROR: {vertex.error}"
            self._line(f"#{vertex.number} {word}")
        elif vertex.cached:
            self._line(f"#{vertex.number} CACHED")
        else:
            self._line(f"#{vertex.number} DONE {vertex.seconds:.1f}s")

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
