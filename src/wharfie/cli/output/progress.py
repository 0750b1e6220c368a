"""The daemon's progress messages: lines on a pipe, moving bars on a terminal."""

from __future__ import annotations

import sys

from wharfie.cli.errors import CommandError
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

_BAR = 50


def show_messages(
    messages: Iterable[object],
    *,
    out: TextIO | None = None,
    width: int = 0,
    on_aux: Callable[[object], None] | None = None,
) -> None:
    """Print a stream of progress messages.

    Args:
        messages: the JSON values of the reply.
        out: where to; stdout by default.
        width: columns of the terminal, 0 when `out` is none.
        on_aux: told of every `aux` object.

    Raises:
        CommandError: the daemon reports an error in the stream.
    """
    screen = _Screen(sys.stdout if out is None else out, width)
    for message in messages:
        if not isinstance(message, dict):
            continue
        problem = message.get("errorDetail")
        text = message.get("error")
        if isinstance(problem, dict) and problem.get("message"):
            text = problem["message"]
        if text:
            raise CommandError(str(text))
        if "aux" in message:
            if on_aux is not None:
                on_aux(message["aux"])
            continue
        screen.show(message)


class _Screen:
    """Remembers on which line each id stands."""

    def __init__(self, out: TextIO, width: int) -> None:
        self._out = out
        self._width = width
        self._lines: dict[str, int] = {}

    def show(self, message: dict[str, object]) -> None:
        name = str(message.get("id") or "")
        # Also an empty detail, "Pulling fs layer": its line is to be overwritten later.
        has_bar = message.get("progressDetail") is not None or bool(message.get("progress"))
        up = 0
        if (name and has_bar) or name in self._lines:
            if name not in self._lines:
                self._lines[name] = len(self._lines)
                if self._width:
                    self._out.write("\n")
            up = len(self._lines) - self._lines[name]
            if self._width:
                self._out.write(f"\x1b[{up}A")
        elif "stream" not in message:
            self._lines = {}
        self._write(message, name)
        if up and self._width:
            self._out.write(f"\x1b[{up}B")
        self._out.flush()

    def _write(self, message: dict[str, object], name: str) -> None:
        if "stream" in message:
            self._out.write(str(message["stream"]))
            return
        bar = ""
        if message.get("progressDetail") or message.get("progress"):
            if not self._width:
                return
            bar = progress_text(message.get("progressDetail"), self._width)
            bar = bar or str(message.get("progress") or "")
        end = "\n"
        if self._width:
            self._out.write("\x1b[2K\r")
            end = "\r" if bar or name in self._lines else "\n"
        head = f"{name}: " if name else ""
        status = str(message.get("status") or "")
        self._out.write(f"{head}{status}{' ' + bar if bar else ''}{end}")


def progress_text(detail: object, width: int) -> str:
    """Draw a bar for `{current, total}`: `[====>   ]  1.2MB/3.4MB`."""
    if not isinstance(detail, dict):
        return ""
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if not isinstance(current, (int, float)) or not isinstance(total, (int, float)):
        return ""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{human_size(current):>8}"
    bar = ""
    if width > 110:
        filled = min(_BAR, int(current * _BAR / total))
        empty = max(0, _BAR - filled)
        bar = "[" + "=" * filled + ">" + " " * empty + "] "
    numbers = f"{human_size(current):>8}/{human_size(total)}"
    return bar + (numbers if current <= total else f"{human_size(current):>8}")
