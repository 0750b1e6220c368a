"""The user's `config.json`, and the contexts stored beside it.

Layout: `<dir>/config.json`; `<dir>/contexts/meta/<sha256 of name>/meta.json` and
`<dir>/contexts/tls/<sha256>/docker/{ca,cert,key}.pem`. Source: Docker's client configuration.
"""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.formats.gojson import JsonError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def config_dir(explicit: str = "") -> str:
    """Return the configuration folder: flag, DOCKER_CONFIG, or `~/.docker`."""
    return explicit or os.environ.get("DOCKER_CONFIG") or home_path(".docker")


def home_path(name: str) -> str:
    """Return a path in the user's home."""
    return os.path.join(os.path.expanduser("~"), name)


def read_file(path: str) -> bytes | None:
    """Return a file's content, None when there is none."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    parts = []
    try:
        while part := os.read(handle, 1 << 16):
            parts.append(part)
    finally:
        os.close(handle)
    return b"".join(parts)


class ConfigFile:
    """What `config.json` says; an absent file says nothing."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "config.json")
        self.problem = ""
        self._values = self._load()

    def _load(self) -> dict[str, object]:
        try:
            data = read_file(self.path)
            document = loads(data) if data else {}
        except JsonError as error:
            self.problem = f"WARNING: Error parsing config file ({self.path}): {error}"
            return {}
        except OSError as error:
            reason = error.strerror.lower() if error.strerror else str(error)
            self.problem = f"WARNING: Error loading config file: open {self.path}: {reason}"
            return {}
        return document if isinstance(document, dict) else {}

    def text(self, name: str) -> str:
        """Return a string setting, empty when absent."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def mapping(self, name: str) -> Mapping[str, object]:
        """Return an object setting, empty when absent."""
        value = self._values.get(name)
        return value if isinstance(value, dict) else {}

    def items(self, name: str) -> list[str]:
        """Return a list setting, empty when absent."""
        value = self._values.get(name)
        return [str(item) for item in value] if isinstance(value, list) else []


class StoredContext:
    """A named endpoint with its TLS files."""

    def __init__(self, *, host: str, skip_verify: bool, tls: Mapping[str, str]) -> None:
        self.host = host
        self.skip_verify = skip_verify
        self.tls = tls


def load_context(directory: str, name: str) -> StoredContext:
    """Read a stored context.

    Raises:
        CommandError: there is none of that name, or it is broken.
    """
    from hashlib import sha256

    digest = sha256(name.encode()).hexdigest()
    base = os.path.join(directory, "contexts")
    path = os.path.join(base, "meta", digest, "meta.json")
    data = read_file(path)
    if data is None:
        raise CommandError(
            f'Failed to initialize: unable to resolve docker endpoint: context "{name}": context'
            f" not found: open {path}: no such file or directory"
        )
    try:
        document = loads(data)
    except JsonError as error:
        raise CommandError(f'Failed to initialize: context "{name}": {error}') from None
    endpoints = document.get("Endpoints") if isinstance(document, dict) else None
    found = endpoints.get("docker") if isinstance(endpoints, dict) else None
    if not isinstance(found, dict):
        raise CommandError(f'Failed to initialize: context "{name}" has no docker endpoint')
    folder = os.path.join(base, "tls", digest, "docker")
    tls = {}
    for kind in ("ca", "cert", "key"):
        file = os.path.join(folder, f"{kind}.pem")
        if os.path.exists(file):
            tls[kind] = file
    return StoredContext(
        host=str(found.get("Host") or ""), skip_verify=found.get("SkipTLSVerify") is True, tls=tls
    )
