"""Plugins outside this engine: where they listen, and one request to them.

    /run/docker/plugins/<name>.sock             the socket itself
    /etc/docker/plugins/<name>.spec, .json      where it is: unix:///path
    /usr/lib/docker/plugins/…                   the same

Source: Docker documentation, "Docker Plugin API".
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Sequence

from wharfie.kernel.descriptors import unix_address
from wharfie.model.errors import Internal, NotFound, Unavailable

DIRECTORIES = (
    "/run/docker/plugins",
    "/run/wharfie/plugins",
    "/etc/docker/plugins",
    "/usr/lib/docker/plugins",
)
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_TYPE = "application/vnd.docker.plugins.v1.2+json"
_LARGEST = 1 << 20
PATIENCE = 30.0

Document = dict[str, object]


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("plugin", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with unix_address(self._path) as address:
            self.sock.connect(address)


def call(path: str, method: str, body: Document, *, timeout: float = PATIENCE) -> Document:
    """One request to a plugin; blocks.

    Raises:
        Unavailable: it does not answer, or not as a plugin does.
        Internal: what it answers in `Err`.
    """
    connection = _Connection(path, timeout)
    try:
        connection.request("POST", f"/{method}", json.dumps(body), {"Accept": _TYPE})
        response = connection.getresponse()
        data = response.read(_LARGEST)
        document = json.loads(data) if data.strip() else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"plugin at {path}: {method}: {error}") from None
    finally:
        connection.close()
    if not isinstance(document, dict):
        raise Unavailable(f"plugin at {path}: {method}: not a JSON object")
    told = document.get("Err")
    if told or response.status >= 300:
        raise Internal(f"{method}: {told or response.reason}")
    return document


def find_plugin(name: str, directories: Sequence[str] = DIRECTORIES) -> str | None:
    """The socket of a plugin by name, None when there is none."""
    name = name.removesuffix(":latest")
    if _NAME.fullmatch(name) is None:
        return None
    for directory in directories:
        for path in (f"{directory}/{name}.sock", f"{directory}/{name}/{name}.sock"):
            if os.path.exists(path):
                return path
        for suffix in (".spec", ".json"):
            named = _named_in(f"{directory}/{name}{suffix}")
            if named is not None:
                return named
    return None


def _named_in(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST).strip()
        if path.endswith(".json"):
            document = json.loads(text)
            text = str(document.get("Addr", "")) if isinstance(document, dict) else ""
    except (OSError, ValueError):
        return None
    return text.removeprefix("unix://") if text.startswith("unix://") else None


def open_plugin(name: str, kind: str, directories: Sequence[str] = DIRECTORIES) -> str:
    """The socket of a plugin that says it is of a kind ("VolumeDriver"); blocks.

    Raises:
        NotFound: no plugin has this name, or it is of another kind.
        Unavailable: it does not answer.
    """
    path = find_plugin(name, directories)
    if path is None:
        raise NotFound(f'plugin "{name}" not found')
    kinds = call(path, "Plugin.Activate", {}).get("Implements")
    if not isinstance(kinds, list) or kind not in kinds:
        raise NotFound(f'plugin "{name}" does not implement {kind}')
    return path
