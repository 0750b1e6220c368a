"""TLS towards registries: the system's CAs, and Docker's per-registry directories.

    <certs>/<host[:port]>/
    ├── *.crt            further CAs
    └── *.cert, *.key    client certificate with its key, of the same name

Source: Docker, "Verify repository client with certificates".
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence

from wharfie.model.errors import Internal


class Trust:
    """TLS contexts, made once each; making one reads all the system's CAs (30 ms, in a thread)."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        self._contexts: dict[tuple[str, bool], tuple[object, ssl.SSLContext]] = {}

    async def context(self, name: str, *, verify: bool = True) -> ssl.SSLContext:
        """The context for a registry.

        Args:
            name: `host[:port]` as users write it.
            verify: False accepts any certificate.

        Raises:
            Internal: a certificate or key of its directory cannot be used.
        """
        key = (name, verify)
        stamp = self._stamp(name)
        known = self._contexts.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        context = await asyncio.to_thread(self._make, name, verify)
        self._contexts[key] = (stamp, context)
        return context

    def _folders(self, name: str) -> list[str]:
        if "/" in name or name in ("", ".", ".."):
            return []
        return [os.path.join(directory, name) for directory in self._directories]

    def _stamp(self, name: str) -> object:
        """Changes whenever files of the registry do."""
        stamps = []
        for folder in self._folders(name):
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            stamps += [(entry.path, entry.stat().st_mtime_ns) for entry in entries]
        return tuple(stamps)

    def _make(self, name: str, verify: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for folder in self._folders(name):
            if os.path.isdir(folder):
                _load(context, folder)
        return context


def _load(context: ssl.SSLContext, folder: str) -> None:
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file)
        try:
            if file.endswith(".crt"):
                context.load_verify_locations(cafile=path)
            elif file.endswith(".cert"):
                key = path.removesuffix(".cert") + ".key"
                if not os.path.exists(key):
                    raise Internal(
                        f"missing key {os.path.basename(key)} for client certificate {file}. "
                        "CA certificates must use the extension .crt"
                    )
                context.load_cert_chain(path, key)
        except (OSError, ssl.SSLError) as error:
            raise Internal(f"cannot use {path}: {error}") from None
