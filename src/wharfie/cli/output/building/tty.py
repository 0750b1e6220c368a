"""`--progress=tty`: a block of lines that is drawn again and again until the build is over.

Source: BuildKit `util/progress/progressui`.
"""

from __future__ import annotations

import os
import sys
import time

from wharfie.cli.output.building.vertices import Vertices
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from wharfie.cli.output.building.vertices import Message, Status, Vertex

_EVERY = 0.1
_TAIL = 6
_BLUE, _RED, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[0m"
_HIDDEN, _SHOWN = "\x1b[?25l", "\x1b[?25h"


class TerminalProgress:
    """Draws a build on a terminal.

    Args:
        where: what stands at the right of the head line.
        out: the terminal.
    """

    def __init__(self, where: str, out: TextIO | None = None) -> None:
        self.vertices = Vertices()
        self._where = where
        self._out = out or sys.stderr
        self._began = time.monotonic()
        self._drawn = 0
        self._last = 0.0
        self._colours = not os.environ.get("NO_COLOR")
        self._is_over = False

    def take(self, message: Message) -> None:
        """Note a message; drawn at most ten times a second."""
        self.vertices.take(message)
        self.tick()

    def show(self, vertex: Vertex) -> None:  # noqa: ARG002 - as of the other forms
        """Something about a vertex changed."""
        self.tick()

    def tick(self) -> None:
        """Draw, unless that was done a moment ago."""
        if time.monotonic() - self._last >= _EVERY:
            self._draw()

    def note(self, text: str) -> None:
        """Print a line above the block."""
        self._clear()
        self._out.write(text + "\n")
        self._draw()

    def finish(self) -> None:
        """The build is over: draw it a last time."""
        self._is_over = True
        self._draw()
        self._out.write(_SHOWN)
        self._out.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
        self._drawn = 0

    def _draw(self) -> None:
        self._last = time.monotonic()
        size = _size(self._out)
        lines = self._lines(size.columns)
        if not self._is_over and len(lines) > size.lines - 1:
            lines = [lines[0], *lines[len(lines) - size.lines + 2 :]]
        self._clear()
        self._out.write(_HIDDEN + "".join(f"{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def _lines(self, width: int) -> list[str]:
        known = [one for one in self.vertices if one.started is not None or one.cached]
        done = sum(one.completed is not None for one in known)
        seconds = time.monotonic() - self._began
        finished = " FINISHED" if self._is_over and not self.vertices.failed() else ""
        head = f"[+] Building {seconds:.1f}s ({done}/{len(known)}){finished}"
        lines = [_justified(head, self._where, width)]
        for vertex in known:
            lines += self._vertex(vertex, width)
        return lines

    def _vertex(self, vertex: Vertex, width: int) -> list[str]:
        word = "ERROR " if vertex.error else "CACHED " if vertex.cached else ""
        name = vertex.name.replace("\n", " ")
        lines = [
            self._coloured(vertex, _justified(f" => {word}{name}", f"{vertex.seconds:.1f}s", width))
        ]
        lines += [
            self._coloured(vertex, _justified(f" => => {_said(one)}", _took(one), width))
            for one in vertex.statuses.values()
        ]
        if vertex.completed is None and vertex.logs:
            tail = b"".join(data for _, data in vertex.logs[-64:]).split(b"\n")
            shown = [line for line in tail if line.strip()][-_TAIL:]
            lines += [_cut(f" => => # {_clean(line)}", width) for line in shown]
        return lines

    def _coloured(self, vertex: Vertex, line: str) -> str:
        if not self._colours or vertex.completed is None:
            return line
        return f"{_RED if vertex.error else _BLUE}{line}{_PLAIN}"


def _justified(left: str, right: str, width: int) -> str:
    room = max(1, width - len(right) - 2)
    return f"{_cut(left, room):<{room}} {right}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def _clean(line: bytes) -> str:
    """Output for one line of a screen: what steers terminals is left out."""
    text = line.decode(errors="replace").rsplit("\r", 1)[-1] if line else ""
    return "".join(char for char in text.expandtabs() if char.isprintable())


def _said(status: Status) -> str:
    size = f" {human_size(status.current)}" if status.current else ""
    if status.total and status.total != status.current:
        size += f" / {human_size(status.total)}"
    return f"{status.name}{size}"


def _took(status: Status) -> str:
    if status.started is None:
        return "0.0s"
    return f"{max(0.0, (status.completed or time.time()) - status.started):.1f}s"


def _size(out: TextIO) -> os.terminal_size:
    try:
        found = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return os.terminal_size((80, 24))
    return os.terminal_size((found.columns or 80, found.lines or 24))
