"""TLS of the registry: read at start, read again on SIGHUP, watched for what expires.

`pki` does it; what is here maps Docker's `http.tls` to it. Several files of client CAs are one
bundle in memory, for the TLS library reads CAs from one file.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import ssl

from wharfie.pki import InvalidTls, ServerFiles, ServerTls
from wharfie.registry.config import ConfigError
from wharfie.registry.config.tls import TlsConfig
from wharfie.web.server import Server

_log = logging.getLogger(__name__)
_DAY = 86400.0
_LARGEST = 4 << 20


class Encryption:
    """The TLS set-up of all listeners. Implements `model.tls.TlsSource`.

    Raises:
        ConfigError: a file is missing or unusable.
    """

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._bundle = os.memfd_create("client-cas", os.MFD_CLOEXEC) if config.client_cas else -1
        try:
            self._source = self._load()
        except ConfigError:
            self.close()
            raise

    @property
    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        return self._source.context

    async def reload(self, server: Server) -> None:
        """Read all files again, and cut clients revoked meanwhile.

        Raises:
            ConfigError: a file cannot be used; the present set-up goes on.
        """
        self._source = await asyncio.to_thread(self._load)
        cut = await server.cut_clients(self._source.is_revoked)
        if cut:
            _log.warning("cut %d connections of revoked client certificates", cut)
        self._log_warnings()

    async def watch(self) -> None:
        """Log what expires, now and once a day, until cancelled."""
        while True:
            self._log_warnings()
            await asyncio.sleep(_DAY)

    def close(self) -> None:
        """Free what is held."""
        if self._bundle >= 0:
            os.close(self._bundle)
            self._bundle = -1

    def _load(self) -> ServerTls:
        config = self._config
        verifies = bool(config.client_cas)
        ca = self._bundle_cas() if verifies else ""
        files = ServerFiles(
            ca=ca, cert=config.certificate, key=config.key, verify=verifies, crl=config.crl
        )
        try:
            source = ServerTls(files)
        except InvalidTls as error:
            raise ConfigError(str(error)) from None
        if verifies and config.is_optional:
            source.context.verify_mode = ssl.CERT_OPTIONAL
        if config.is_newest:
            source.context.minimum_version = ssl.TLSVersion.TLSv1_3
        return source

    def _bundle_cas(self) -> str:
        """One file with the CAs of all; its name is good for this process alone."""
        parts: list[bytes] = []
        for path in self._config.client_cas:
            try:
                with open(path, "rb") as file:
                    data = file.read(_LARGEST)
            except OSError as error:
                raise ConfigError(f"cannot read the client CA {path}: {error.strerror}") from None
            if b"-----BEGIN CERTIFICATE-----" not in data:
                raise ConfigError(f"cannot use the client CA {path}: no certificate is in it")
            parts.append(data)
        os.ftruncate(self._bundle, 0)
        os.pwrite(self._bundle, b"\n".join(parts), 0)
        return f"/proc/self/fd/{self._bundle}"

    def _log_warnings(self) -> None:
        for text in self._source.warnings(datetime.datetime.now(datetime.UTC)):
            _log.warning("%s", text)
