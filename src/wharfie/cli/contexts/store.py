"""The stored contexts of a configuration folder.

    contexts/
    ├── meta/<sha256 of name>/meta.json   {"Name", "Metadata", "Endpoints": {"docker": {"Host"}}}
    └── tls/<sha256 of name>/docker/      ca.pem, cert.pem, key.pem, each optional, mode 0600

A context exists when its meta.json does; it is written last and removed first. What other
programs keep in it (further endpoints, metadata) is kept. Source: Docker's client.
"""

from __future__ import annotations

import os

from wharfie.cli.config import read_file, write_whole
from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.gojson import JsonError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    TlsFiles = Mapping[str, Mapping[str, bytes]]

DEFAULT = "default"
DOCKER = "docker"
_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class ContextNotFound(CommandError):
    """No context of that name is stored."""


class StoredContext:
    """One context.

    Attributes:
        document: meta.json as it is.
        tls: by endpoint, the names of its TLS files.
        meta_path, tls_path: its two directories.
    """

    def __init__(self, document: Mapping[str, object], meta_path: str, tls_path: str) -> None:
        self.document = document
        self.meta_path = meta_path
        self.tls_path = tls_path
        self.tls = _tls_names(tls_path)

    @property
    def name(self) -> str:
        """What it is called."""
        return _text(self.document, "Name")

    @property
    def description(self) -> str:
        """What its owner says of it."""
        return _text(_object(self.document, "Metadata"), "Description")

    @property
    def host(self) -> str:
        """The daemon's address; empty when there is none."""
        return _text(self._docker, "Host")

    @property
    def skip_verify(self) -> bool:
        """Whether the daemon's certificate is taken unseen."""
        return self._docker.get("SkipTLSVerify") is True

    @property
    def _docker(self) -> Mapping[str, object]:
        return _object(_object(self.document, "Endpoints"), DOCKER)

    def tls_file(self, kind: str) -> str:
        """Return the path of `ca`, `cert` or `key` of its daemon; empty when it has none."""
        name = f"{kind}.pem"
        found = name in self.tls.get(DOCKER, [])
        return os.path.join(self.tls_path, DOCKER, name) if found else ""

    def tls_content(self) -> dict[str, dict[str, bytes]]:
        """Read all its TLS files."""
        return {
            endpoint: {
                name: read_file(os.path.join(self.tls_path, endpoint, name)) or b""
                for name in names
            }
            for endpoint, names in self.tls.items()
        }


class ContextStore:
    """The contexts below one configuration folder."""

    def __init__(self, directory: str) -> None:
        self._base = os.path.join(directory, "contexts")

    def load(self, name: str) -> StoredContext:
        """Read a context.

        Raises:
            ContextNotFound: there is none of that name.
            CommandError: it is broken.
        """
        meta, tls = self._paths(name)
        path = os.path.join(meta, "meta.json")
        data = read_file(path)
        if data is None:
            raise ContextNotFound(
                f'context "{name}": context not found: open {path}: no such file or directory'
            )
        return StoredContext(_document(path, data), meta, tls)

    def all(self) -> list[StoredContext]:
        """Read every context, sorted by name.

        Raises:
            CommandError: one of them is broken.
        """
        folder = os.path.join(self._base, "meta")
        found = []
        for digest in _entries(folder):
            path = os.path.join(folder, digest, "meta.json")
            data = read_file(path)
            if data is not None:
                try:
                    document = _document(path, data)
                except CommandError as error:
                    raise CommandError(f"failed to read metadata: {error}") from None
                meta, tls = (os.path.join(self._base, kind, digest) for kind in ("meta", "tls"))
                found.append(StoredContext(document, meta, tls))
        return sorted(found, key=lambda context: natural_key(context.name))

    def exists(self, name: str) -> bool:
        """Tell whether there is a context of that name."""
        return os.path.exists(os.path.join(self._paths(name)[0], "meta.json"))

    def save(
        self, name: str, document: Mapping[str, object], tls: TlsFiles | None = None
    ) -> StoredContext:
        """Write a context, in the place of one of that name.

        Args:
            name: checked already.
            document: its meta.json; `Name` is set.
            tls: content of its TLS files by endpoint and name; None leaves them as they are.

        Raises:
            CommandError: the folder cannot be written.
        """
        meta, target = self._paths(name)
        document = {"Name": name, **{k: v for k, v in document.items() if k != "Name"}}
        try:
            if tls is not None:
                self._replace_tls(target, tls)
            os.makedirs(meta, mode=0o755, exist_ok=True)
            text = dumps(document, html=True).encode("utf-8", "surrogatepass")
            write_whole(os.path.join(meta, "meta.json"), text, 0o644)
        except OSError as error:
            raise CommandError(f"open {error.filename or meta}: {error_words(error)}") from None
        return StoredContext(document, meta, target)

    def _replace_tls(self, target: str, tls: TlsFiles) -> None:
        import shutil

        self._sweep(os.path.dirname(target), os.path.basename(target))
        unfinished = f"{target}.{os.getpid()}.tmp"
        for endpoint, files in tls.items():
            folder = os.path.join(unfinished, endpoint)
            os.makedirs(folder, mode=0o700)
            for name, content in files.items():
                write_whole(os.path.join(folder, name), content, 0o600)
        shutil.rmtree(target, ignore_errors=True)
        if os.path.isdir(unfinished):
            os.chmod(unfinished, 0o700)
            os.rename(unfinished, target)

    def _sweep(self, folder: str, digest: str) -> None:
        """Remove keys that a client which was killed has left half stored."""
        import shutil

        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(f"{digest}.") and name.endswith(".tmp"):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)

    def remove(self, name: str) -> None:
        """Forget a context and its keys.

        Raises:
            ContextNotFound: there is none of that name.
        """
        import shutil

        meta, tls = self._paths(name)
        if not self.exists(name):
            raise ContextNotFound(f'context "{name}" does not exist')
        shutil.rmtree(meta, ignore_errors=True)
        shutil.rmtree(tls, ignore_errors=True)
        self._sweep(os.path.dirname(tls), os.path.basename(tls))

    def _paths(self, name: str) -> tuple[str, str]:
        from hashlib import sha256

        digest = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return os.path.join(self._base, "meta", digest), os.path.join(self._base, "tls", digest)


def check_name(name: str) -> None:
    """Refuse what no context may be called.

    Raises:
        CommandError: in Docker's words.
    """
    if name == DEFAULT:
        raise CommandError('"default" is a reserved context name')
    if not name:
        raise CommandError("context name cannot be empty")
    if len(name) < 2 or name[0] not in _LETTERS or any(c not in _LETTERS + "_.+-" for c in name):
        raise CommandError(
            f'context name "{name}" is invalid, names are validated against regexp "{_NAME}"'
        )


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return something by which `a2` sorts before `a10`."""
    key: list[tuple[int, int, str]] = []
    digits = ""
    for char in text + "\0":
        if char.isascii() and char.isdigit():
            digits += char
            continue
        if digits:
            key.append((0, int(digits), digits))
            digits = ""
        if char != "\0":
            key.append((1, ord(char), char))
    return key


def _document(path: str, data: bytes) -> Mapping[str, object]:
    try:
        document = loads(data)
    except JsonError as error:
        raise CommandError(f"parsing {path}: {error}") from None
    if not isinstance(document, dict):
        raise CommandError(f"parsing {path}: not a JSON object")
    return document


def _tls_names(folder: str) -> dict[str, list[str]]:
    return {
        endpoint: sorted(_entries(os.path.join(folder, endpoint))) for endpoint in _entries(folder)
    }


def _entries(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.endswith(".tmp"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
