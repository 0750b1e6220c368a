"""What goes wrong with keys and certificates.

PkiError
├── InvalidRequest      the wish itself is wrong: a host name, a number of days, a passphrase
├── FileExists          a file is already there, and replacing was not asked for
├── UnreadableFile      a file is missing, unreadable, or not what its name says
└── InvalidTls          a TLS set-up cannot be used; words as a Docker daemon's
"""

from __future__ import annotations

import os
from collections.abc import Sequence


class PkiError(Exception):
    """Base of all expected failures of this package; `str(error)` is for the user."""


class InvalidRequest(PkiError):
    """What was asked for cannot be certified."""


class FileExists(PkiError):
    """Files that would be overwritten."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"refusing to overwrite {', '.join(paths)}")
        self.paths = tuple(paths)


class UnreadableFile(PkiError):
    """A key or certificate file that cannot be used."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class InvalidTls(PkiError):
    """A TLS configuration that cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid TLS configuration: {reason}")


def describe_os_error(error: OSError, path: str) -> str:
    """Word a failed open as Go programs do: `open /x: no such file or directory`."""
    text = os.strerror(error.errno) if error.errno else str(error)
    return f"open {path}: {text[:1].lower()}{text[1:]}"
