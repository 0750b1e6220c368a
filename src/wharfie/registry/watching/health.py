"""Health: whether the storage answers, and whether an administrator wants this host drained.

    GET /health        200 {"status": "ok"} or 503; for load balancers, tells nothing else
    GET /debug/health  on the second address: {} or what is wrong, by name

Source: Docker registry v2, `health`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable

import msgspec

from wharfie.registry.config.watching import HealthConfig
from wharfie.web.reply import Response, encode_fields
from wharfie.web.request import Request

_log = logging.getLogger(__name__)
_FRESH = encode_fields(("Cache-Control", "no-store"))
_JSON = "application/json"


class Health:
    """Watches.

    Args:
        config: what to watch.
        probe: touches the storage; raises OSError when it does not answer.
    """

    def __init__(self, config: HealthConfig, probe: Callable[[], Awaitable[None]]) -> None:
        self._config = config
        self._probe = probe
        self._failures = 0
        self._reason = ""

    def problems(self) -> dict[str, str]:
        """What is wrong now, by the name of the check."""
        found = {path: "file exists" for path in self._config.files if os.path.exists(path)}
        if self._failures >= self._config.threshold:
            found["storagedriver"] = self._reason
        return found

    async def run(self) -> None:
        """Probe the storage, until cancelled."""
        while self._config.interval > 0:
            await self.look()
            await asyncio.sleep(self._config.interval)

    async def look(self) -> None:
        """Probe the storage once."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(max(self._config.interval, 5.0)):
                await self._probe()
        except (OSError, TimeoutError) as error:
            self._failures += 1
            self._reason = str(error) or f"no answer in {time.monotonic() - begun:.0f} s"
            if self._failures == self._config.threshold:
                _log.error("the storage is not well: %s", self._reason)
        else:
            if self._failures >= self._config.threshold:
                _log.info("the storage is well again")
            self._failures = 0

    async def page(self, request: Request) -> Response:  # noqa: ARG002 - a page's signature
        """Answer whether all is well; of what is wrong nothing is told."""
        if self.problems():
            return Response(503, b'{"status":"unavailable"}\n', _JSON, _FRESH)
        return Response(200, b'{"status":"ok"}\n', _JSON, _FRESH)

    async def details(self, request: Request) -> Response:  # noqa: ARG002 - a page's signature
        """Answer what is wrong."""
        problems = self.problems()
        return Response(503 if problems else 200, msgspec.json.encode(problems), _JSON, _FRESH)
