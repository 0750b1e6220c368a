"""Signals passed on to the container, and the window size kept in step."""

from __future__ import annotations

import time

from wharfie.cli import terminal
from wharfie.client.daemon import Client
from wharfie.client.errors import ClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal  # the C half: its Python half is twenty times slower to import

_NOT_PROXIED = {
    "SIGCHLD", "SIGCLD", "SIGPIPE", "SIGURG", "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE",
    "SIGILL", "SIGPROF", "SIGVTALRM", "SIGALRM", "SIGTRAP", "SIGABRT", "SIGIOT", "SIGSYS",
    "SIGRTMIN", "SIGRTMAX", "SIGWINCH", "SIGSTKFLT", "SIGXCPU", "SIGXFSZ", "SIGPOLL", "SIGIO",
    "SIGPWR",
}  # fmt: skip


def signal_names() -> dict[int, str]:
    """Return the signals worth passing on: number to name without `SIG`."""
    found: dict[int, str] = {}
    for name in dir(_signal):
        if name.startswith("SIG") and not name.startswith("SIG_") and name not in _NOT_PROXIED:
            found[int(getattr(_signal, name))] = name[3:]
    return found


def proxy(client: Client, container: str) -> None:
    """Pass every signal we get on to a container, for the rest of the run."""
    names = signal_names()

    def forward(number: int, _frame: object) -> None:
        try:
            path = f"/containers/{container}/kill"
            client.begin("POST", path, query={"signal": names[number]}).response().read()
        except ClientError:
            return  # it has ended, or not begun: nobody is there to get the signal

    for number in names:
        try:
            _signal.signal(number, forward)
        except (OSError, ValueError):
            continue  # not for this platform


class WindowSize:
    """Keeps the size of a container's or exec's terminal in step with ours."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    def follow(self) -> None:
        """Resize now, trying again for a while, and at every change from now on."""
        for attempt in range(11):
            if self.resize():
                break
            time.sleep(attempt * 0.01)
        if hasattr(_signal, "SIGWINCH"):
            _signal.signal(_signal.SIGWINCH, self._changed)

    def _changed(self, _number: int, _frame: object) -> None:
        self.resize()

    def resize(self, *, taller: int = 0) -> bool:
        """Send our size (`taller` lines more); tell whether the daemon took it."""
        height, width = terminal.size()
        if not height and not width:
            return True
        query = {"h": str(height + taller), "w": str(width + taller)}
        try:
            self._client.begin("POST", f"{self._path}/resize", query=query).response().read()
        except ClientError:
            return False
        return True
