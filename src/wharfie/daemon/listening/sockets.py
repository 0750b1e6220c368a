"""The daemon's open sockets: clients queue from the start, and are served once all is loaded.

Source: daemon.md §4.
"""

from __future__ import annotations

import logging
import os

from wharfie.daemon.config import Config
from wharfie.daemon.instance import StartError
from wharfie.daemon.listening.activation import take_passed
from wharfie.daemon.listening.exposure import Exposure, insecure_warnings, log_insecure
from wharfie.daemon.listening.hosts import listeners
from wharfie.model.tls import TlsSource
from wharfie.web import ListenError, Opened, Server, UnixListener, close_all, open_all
from wharfie.web.listening.addresses import spell_address

_log = logging.getLogger(__name__)


class Listening:
    """All sockets of the configuration, open.

    Attributes:
        warnings: what `docker info` warns of because of them.

    Raises:
        ConfigError: an address cannot be read.
        StartError: one cannot be had, or exposes more than was asked for; none is left open.
    """

    def __init__(self, config: Config, tls: TlsSource | None) -> None:
        chosen = listeners(config, tls, take_passed(os.environ, os.getpid()))
        exposure = Exposure(allow_plain=config.allow_plain_tcp)
        try:
            self._opened = open_all(chosen, check=exposure.check)
        except ListenError as error:
            raise StartError(str(error)) from None
        self._is_served = False
        self.warnings = insecure_warnings(self._opened)
        log_insecure(self._opened)

    async def serve(self, server: Server) -> None:
        """Serve all of them; they are the server's from here on."""
        self._is_served = True
        for opened in self._opened:
            await server.serve(opened)
            for where in _spell(opened):
                _log.info("API listen on %s", where)

    def close(self) -> None:
        """Close what was never served."""
        if not self._is_served:
            close_all(self._opened)


def _spell(opened: Opened) -> list[str]:
    if isinstance(opened.listener, UnixListener):
        return [opened.listener.path]
    return [spell_address(one.getsockname()) for one in opened.sockets]
