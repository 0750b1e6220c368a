"""The user's terminal: its size, and raw mode that is always undone."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from types import TracebackType

    Attributes = list[int | list[bytes | int]]
else:
    import _signal  # the C half: its Python half is twenty times slower to import


def size() -> tuple[int, int]:
    """Return height and width of the terminal on stdout, zeros when there is none."""
    try:
        found = os.get_terminal_size(1)
    except (OSError, ValueError, AttributeError):
        return 0, 0
    return found.lines, found.columns


class RawMode:
    """Raw mode on stdin (and output post-processing off) for the time of a `with` block.

    A terminating signal restores the terminal, then does what it would have done.
    """

    def __init__(self) -> None:
        self._saved: Attributes | None = None
        self._handlers: dict[int, _signal._HANDLER] = {}

    def __enter__(self) -> RawMode:
        import termios

        self._saved = termios.tcgetattr(0)
        self._set(raw_attributes(self._saved))
        for number in (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT):
            self._handlers[number] = _signal.signal(number, self._die)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.restore()
        for number, handler in self._handlers.items():
            _signal.signal(number, handler)

    def restore(self) -> None:
        """Put the terminal back as it was; doing it twice does no harm."""
        if self._saved is not None:
            self._set(self._saved)
            self._saved = None

    def _set(self, attributes: Attributes) -> None:
        import termios

        termios.tcsetattr(0, termios.TCSADRAIN, attributes)

    def _die(self, number: int, _frame: object) -> None:
        self.restore()
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)


def raw_attributes(saved: Attributes) -> Attributes:
    """Return terminal attributes changed to raw mode."""
    import termios

    attributes = list(saved)
    clear = (
        termios.BRKINT
        | termios.ICRNL
        | termios.INPCK
        | termios.ISTRIP
        | termios.IXON
        | termios.IGNBRK
        | termios.PARMRK
        | termios.INLCR
        | termios.IGNCR,
        termios.OPOST,
        termios.CSIZE | termios.PARENB,
        termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG | termios.ECHONL,
    )
    for index, bits in enumerate(clear):
        value = attributes[index]
        assert isinstance(value, int)
        attributes[index] = value & ~bits
    control = attributes[2]
    assert isinstance(control, int)
    attributes[2] = control | termios.CS8
    characters = list(attributes[6]) if isinstance(attributes[6], list) else []
    characters[termios.VMIN] = 1
    characters[termios.VTIME] = 0
    attributes[6] = characters
    return attributes


def supports_raw() -> bool:
    """Tell whether this platform has terminal attributes to set."""
    return sys.platform != "win32"
