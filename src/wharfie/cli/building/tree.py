"""A build context on this machine: which files there are, and what is ignored before it is read.

A directory that is ignored as a whole is not even listed. The Dockerfile and the ignore file are
always part: the daemon reads them, and leaves them out of copies.
"""

from __future__ import annotations

import os
import stat

from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.dockerfile.ignore import IgnorePatterns, InvalidIgnoreFile, read_ignore_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORE = ".dockerignore"


class Found:
    """One path of a context; `data` is the content of a file that is not on disk."""

    __slots__ = ("data", "full", "path", "status")

    def __init__(
        self, path: str, full: str, status: os.stat_result | None, data: bytes | None = None
    ) -> None:
        self.path = path
        self.full = full
        self.status = status
        self.data = data


class LocalTree:
    """A folder as a context.

    Args:
        root: the folder, "" for none but `extra`.
        ignore: bytes of the ignore file that holds, b"" for none.
        always: paths that are part even where they are ignored.
        extra: further files by path, hidden to nobody; they win over those on disk.
    """

    def __init__(
        self,
        root: str,
        *,
        ignore: bytes = b"",
        always: tuple[str, ...] = (),
        extra: dict[str, bytes] | None = None,
    ) -> None:
        self.root = root
        self._always = frozenset(always)
        self._extra = extra or {}
        try:
            self._patterns = IgnorePatterns(read_ignore_file(ignore))
        except InvalidIgnoreFile as error:
            raise CommandError(f"error checking context: {error}") from None

    def walk(self) -> Iterator[Found]:
        """Yield every path, a directory before what is in it, by name.

        Raises:
            CommandError: something cannot be read.
        """
        try:
            yield from self._below(self.root, "")
        except OSError as error:
            where = error.filename or self.root
            raise CommandError(
                f"error checking context: open {where}: {error_words(error)}"
            ) from None

    def _below(self, folder: str, prefix: str) -> Iterator[Found]:
        children: dict[str, os.DirEntry[str]] = {}
        if folder:
            with os.scandir(folder) as entries:
                children = {entry.name: entry for entry in entries}
        for name in sorted({*children, *(self._extra if not prefix else ())}):
            path = prefix + name
            if not prefix and name in self._extra:
                yield Found(path, "", None, self._extra[name])
                continue
            entry = children[name]
            is_directory = entry.is_dir(follow_symlinks=False)
            excluded = self._patterns.excludes(path) and not self._is_kept(path)
            if excluded and not (is_directory and self._patterns.may_hold_exceptions(path)):
                continue
            if is_directory:
                below = self._below(entry.path, f"{path}/")
                yield from self._with_parent(Found(path, entry.path, None), below, excluded)
                continue
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISSOCK(status.st_mode):
                yield Found(path, entry.path, status)

    def _with_parent(
        self, directory: Found, below: Iterator[Found], excluded: bool
    ) -> Iterator[Found]:
        """A directory and what is in it; an ignored one only where something in it is not."""
        first = next(below, None) if excluded else None
        if excluded and first is None:
            return
        directory.status = os.lstat(directory.full)
        yield directory
        if first is not None:
            yield first
        yield from below

    def _is_kept(self, path: str) -> bool:
        return path in self._always or any(one.startswith(f"{path}/") for one in self._always)
