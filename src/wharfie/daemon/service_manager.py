"""What the service manager is told: sd_notify and its watchdog.

Datagrams to `$NOTIFY_SOCKET`, a path or, after "@", an abstract name. Without that variable, or
when the datagram cannot be sent, nothing is told and nothing fails. Source: sd_notify(3).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import MutableMapping

_MICROSECONDS = 1_000_000
_ANSWER_TIMEOUT = 5.0
_log = logging.getLogger(__name__)


class ServiceManager:
    """The one who started us, if it wants to hear of us. Takes its variables out of `environment`.

    Args:
        environment: None for this process's; what we start must not speak for us.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        address = given.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period, pid = given.pop("WATCHDOG_USEC", ""), given.pop("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        self.watchdog = int(period) / _MICROSECONDS if is_ours and period.isdecimal() else 0.0
        """Seconds within which a sign of life is expected, 0 for never."""

    @property
    def is_listening(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The start, or a reload, is over."""
        self._tell("READY=1", f"STATUS={status}", f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it, whether it succeeded or not."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reloading configuration")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1", "STATUS=Shutting down")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._tell(f"STATUS={text}")

    async def keep_alive(self) -> None:
        """Give signs of life twice as often as asked for, until cancelled.

        They come from the event loop: one that is stuck gives none, and is started anew.
        """
        while self.watchdog and self.is_listening:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 2)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode()
        # A manager that does not listen, or is slow to, is no reason to fail or to wait.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end,
        ):
            end.setblocking(False)
            end.sendto(message, self._address)


async def is_machine_stopping(marker: str = "/run/systemd/system") -> bool:
    """Tell whether this machine goes down or reboots, and not we alone end.

    Args:
        marker: there while systemd is the service manager. Source: sd_booted(3).
    """
    if not os.path.isdir(marker):
        return False
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT):
            asked = await asyncio.create_subprocess_exec(
                "systemctl",
                "is-system-running",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            answer, _ = await asked.communicate()
    except (OSError, TimeoutError) as error:
        _log.warning("systemd does not say whether the machine stops: %s", repr(error))
        return False
    return answer.strip() == b"stopping"
