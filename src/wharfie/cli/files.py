"""Streams to and from files: what `save`, `export`, `load` and `import` move."""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.cli.relay import write_all
from wharfie.client.dialing import error_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK = 256 * 1024


def check_output(path: str) -> None:
    """Refuse an output path whose folder is missing, or that is no ordinary file.

    Raises:
        CommandError: in Docker's words.
    """
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise CommandError(f'invalid output path: directory "{folder}" does not exist')
    if os.path.isdir(path):
        raise CommandError(f"open {path}: is a directory")


def write_stream(pieces: Iterable[bytes], path: str, problem: str) -> None:
    """Write a stream to stdout, or to a file that appears only when it is complete.

    Raises:
        CommandError: the folder is missing or the disk refuses; begins with `problem`.
    """
    if not path:
        for piece in pieces:
            write_all(1, piece)
        return
    try:
        check_output(path)
    except CommandError as error:
        raise CommandError(f"{problem}: {error}") from None
    if os.path.exists(path) and not os.path.isfile(path):
        _copy(pieces, path)  # a device or pipe: nothing to rename over it
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".tmp-{name}{os.getpid()}")
    try:
        _copy(pieces, temporary)
        os.replace(temporary, path)
    finally:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # renamed, or never made


def _copy(pieces: Iterable[bytes], path: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None
    try:
        for piece in pieces:
            write_all(handle, piece)
    except OSError as error:
        raise CommandError(f"write {path}: {error_words(error)}") from None
    finally:
        os.close(handle)


def open_input(path: str) -> int:
    """Open a file to read.

    Raises:
        CommandError: in Go's words.
    """
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None


def read_pieces(handle: int) -> Iterator[bytes]:
    """Yield what can be read from a descriptor; close it at the end unless it is stdin."""
    try:
        while piece := os.read(handle, _CHUNK):
            yield piece
    finally:
        if handle != 0:
            os.close(handle)
