"""TLS of the daemon: read at start, read again when told to, watched for what expires.

A reload has two halves, so that it can be part of a larger one which must succeed as a whole:
`load` may fail and changes nothing, `adopt` cannot fail.
"""

from __future__ import annotations

import asyncio
import datetime
import logging

from wharfie.daemon.config import Config, ConfigError
from wharfie.pki import InvalidTls, ServerFiles, ServerTls
from wharfie.pki.serving import Material
from wharfie.web import Server

_log = logging.getLogger(__name__)
_DAY = 86400.0


class Encryption:
    """The daemon's TLS set-up; `source` is None where the configuration asks for none.

    Raises:
        ConfigError: a file is missing or unusable.
    """

    def __init__(self, config: Config) -> None:
        self.source: ServerTls | None = None
        if config.tls is None:
            return
        tls = config.tls
        files = ServerFiles(ca=tls.ca, cert=tls.cert, key=tls.key, verify=tls.verify, crl=tls.crl)
        try:
            self.source = ServerTls(files)
        except InvalidTls as error:
            raise ConfigError(str(error)) from None

    async def load(self) -> Material | None:
        """Read certificate, key, CAs and revocation list again; nothing changes until `adopt`.

        Raises:
            ConfigError: a file is missing or unusable; the present set-up goes on.
        """
        if self.source is None:
            return None
        try:
            return await asyncio.to_thread(self.source.load)
        except InvalidTls as error:
            raise ConfigError(str(error)) from None

    async def adopt(self, material: Material | None, server: Server) -> None:
        """Use what was loaded from the next handshake on, and cut clients revoked meanwhile."""
        if self.source is None or material is None:
            return
        self.source.adopt(material)
        cut = await server.cut_clients(self.source.is_revoked)
        if cut:
            _log.warning("cut %d connections of revoked client certificates", cut)
        self._log_warnings()

    def warnings(self) -> list[str]:
        """What `docker info` warns of: what has expired, will soon, or is not valid yet."""
        if self.source is None:
            return []
        now = datetime.datetime.now(datetime.UTC)
        return [f"WARNING: {text}" for text in self.source.warnings(now)]

    async def watch(self) -> None:
        """Log warnings now and once a day, until cancelled."""
        while self.source is not None:
            self._log_warnings()
            await asyncio.sleep(_DAY)

    def _log_warnings(self) -> None:
        for text in self.warnings():
            _log.warning("%s", text.removeprefix("WARNING: "))
