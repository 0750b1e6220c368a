"""The user's `config.json`, shared with Docker's own client. The contexts are in `cli.contexts`."""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.gojson import JsonError, dumps, loads

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


def write_whole(path: str, data: bytes, mode: int) -> None:
    """Put a file in place that is complete whenever anybody reads it.

    Raises:
        OSError: the directory is missing or refuses.
    """
    unfinished = f"{path}.{os.getpid()}.tmp"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(unfinished, path)
    except OSError:
        os.unlink(unfinished)
        raise


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

    def save(self, name: str, value: object) -> None:
        """Change one setting, or drop it where `value` is None; all others stay as they are.

        Raises:
            CommandError: the file is broken, which nobody wants overwritten, or not writable.
        """
        if self.problem:
            raise CommandError(f"not changed: {self.path} cannot be read")
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value
        target = os.path.realpath(self.path)  # a link to a shared file stays one
        text = dumps({"auths": {}, **self._values}, indent="\t", html=True)
        try:
            mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o600
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            write_whole(target, text.encode("utf-8", "surrogatepass"), mode)
        except OSError as error:
            raise CommandError(f"open {self.path}: {error_words(error)}") from None

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
