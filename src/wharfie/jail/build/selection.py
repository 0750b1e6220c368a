"""Which files of a tree a COPY means: patterns to paths, paths to everything below them.

Source: Dockerfile reference, COPY; Go's filepath.Match; BuildKit's `solver/llbsolver/file`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wharfie.formats.exclusion import Exclusions, compile_deep
from wharfie.formats.pathmatch import InvalidPattern, Matcher
from wharfie.jail import names
from wharfie.jail.container_path import follow
from wharfie.jail.errors import JobError, invalid, of_os_error, show
from wharfie.jail.protocol import Failure
from wharfie.jail.tree import O_READ_DIRECTORY
from wharfie.kernel import openat2
from wharfie.model.build.files import Selection

_WILD = frozenset(b"*?[\\")
_O_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH = 1000


class Found(NamedTuple):
    """What a pattern stands for.

    Attributes:
        path: of the file, relative to the root of the tree, links resolved where they are to be.
        given: as it was named, for its name at the destination.
        pivot: with `parents`, how many leading components are not made below the destination.
    """

    path: bytes
    given: bytes
    pivot: int


class Entry(NamedTuple):
    """One file of a walk.

    Attributes:
        directory: descriptor of the directory it is in; valid until the next entry.
        name: its name there.
        path: relative to where the walk began.
        status: of itself, links not followed.
    """

    directory: int
    name: bytes
    path: bytes
    status: os.stat_result


def find(root: int, selection: Selection) -> list[Found]:
    """The files that patterns stand for, in the order of the patterns, sorted within one.

    Raises:
        JobError: a pattern is malformed, or nothing is there.
    """
    found: list[Found] = []
    ignored = _patterns(selection.ignore)
    for source in selection.sources:
        raw = os.fsencode(source)
        pivot = _pivot(raw) if selection.parents else 0
        path = names.clean(b"/" + raw).lstrip(b"/")
        is_pattern = bool(_WILD & set(path))
        matches = _match(root, path) if is_pattern else [path]
        matches = [one for one in matches if not _is_ignored(root, one, ignored)]
        # Only a pattern may stand for nothing; what is named has to be there.
        may_miss = selection.allow_missing and is_pattern
        if not matches and not may_miss:
            raise missing(path)
        for match in matches:
            resolved = _resolve(root, match, follow_last=selection.follow)
            if resolved is not None:
                found.append(Found(resolved, match, pivot))
            elif not may_miss:
                raise missing(path)
    return found


def missing(path: bytes) -> JobError:
    """Nothing is there; the caller knows Docker's words for it."""
    return JobError(Failure.NOT_FOUND, show(path))


def status_of(root: int, path: bytes) -> os.stat_result:
    """What a path from `find` is."""
    fd = _open(root, path)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


class Filter:
    """Leaves files out, by the patterns of a selection."""

    def __init__(self, selection: Selection) -> None:
        self._exclude = _patterns(selection.exclude)
        self._ignore = _patterns(selection.ignore)
        self._is_active = bool(self._exclude) or bool(self._ignore)
        self.has_negations = self._exclude.has_negations or self._ignore.has_negations

    def leaves_out(self, path: bytes, whole: bytes) -> bool:
        """Tell whether a file is left out.

        Args:
            path: relative to the directory that is a source; a source's own name.
            whole: relative to the root of the tree.
        """
        if not self._is_active:
            return False
        return self._exclude.excludes(os.fsdecode(path)) or self._ignore.excludes(
            os.fsdecode(whole)
        )


def _patterns(patterns: Sequence[str]) -> Exclusions:
    try:
        return Exclusions(patterns)
    except InvalidPattern as error:
        raise invalid(f"{error}: {', '.join(patterns)[:200]}") from None


def _is_ignored(root: int, path: bytes, ignored: Exclusions) -> bool:
    if not path or not ignored.excludes(os.fsdecode(path)):
        return False
    if not ignored.has_negations:
        return True
    try:  # something in it may be taken back in
        return not stat.S_ISDIR(status_of(root, path).st_mode)
    except OSError:
        return True


def walk(root: int, path: bytes, chosen: Filter) -> Iterator[Entry]:
    """Everything below a directory, each directory before what is in it, names sorted.

    Args:
        root: descriptor of the tree's root.
        path: the directory, relative to it.
        chosen: what it leaves out is not told; a directory left out is still entered where a
            negation could take something in it back.
    """
    top = _open_directory(root, path)
    stack = [(top, b"", _names(top))]
    prefix = b"" if path == b"." else path + b"/"
    try:
        while stack:
            directory, above, left = stack[-1]
            if not left:
                os.close(stack.pop()[0])
                continue
            name = left.pop()
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            entry = Entry(directory, name, above + name, status)
            is_left_out = chosen.leaves_out(entry.path, prefix + entry.path)
            if not is_left_out:
                yield entry
            if stat.S_ISDIR(status.st_mode) and (not is_left_out or chosen.has_negations):
                if len(stack) > _MAX_DEPTH:
                    raise invalid(f"directories are nested too deep: {show(entry.path)}")
                below = os.open(name, O_READ_DIRECTORY, dir_fd=directory)
                stack.append((below, entry.path + b"/", _names(below)))
    finally:
        for directory, _, _ in stack:
            os.close(directory)


def _pivot(raw: bytes) -> int:
    """Components before a "./" inside of a path: those are not made with `--parents`."""
    head, mark, _ = raw.lstrip(b"/").partition(b"/./")
    if not mark:
        return 0
    cleaned = names.clean(b"/" + head).strip(b"/")
    return len(cleaned.split(b"/")) if cleaned else 0


def _resolve(root: int, path: bytes, *, follow_last: bool) -> bytes | None:
    if not path:
        return b"."
    try:
        fd = _open(root, path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        raise of_os_error(error, path) from error
    try:
        is_link = stat.S_ISLNK(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    if not is_link or not follow_last:
        return path
    target = follow(root, path).lstrip(b"/") or b"."
    try:
        is_link = stat.S_ISLNK(status_of(root, target).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise of_os_error(error, path) from error
    if is_link:
        raise invalid(f"{show(path)}: too many links")
    return target


def _match(root: int, pattern: bytes) -> list[bytes]:
    """Paths that match, sorted; what is below a match is not looked at."""
    parts = os.fsdecode(pattern).split("/")
    fixed = 0
    while not set(parts[fixed]) & set("*?[\\"):
        fixed += 1
    base = os.fsencode("/".join(parts[:fixed]))
    wild = parts[fixed:]
    is_deep = any("**" in part for part in wild)
    try:
        matches = compile_deep("/".join(wild))
    except InvalidPattern as error:
        raise invalid(f"{error}: {show(pattern)}") from None
    try:
        top = _open_directory(root, base or b".")
    except (FileNotFoundError, NotADirectoryError):
        return []
    prefix = base + b"/" if base else b""
    return [prefix + path for path in _matching(top, matches, 0 if is_deep else len(wild))]


def _matching(top: int, matches: Matcher, depth: int) -> Iterator[bytes]:
    """Walk a directory, which is closed here; `depth` of 0 has no bound."""
    stack: list[tuple[int, bytes, list[bytes]]] = [(top, b"", _names(top))]
    try:
        while stack:
            directory, above, left = stack[-1]
            if not left:
                os.close(stack.pop()[0])
                continue
            name = left.pop()
            if matches(os.fsdecode(above + name)):
                yield above + name
                continue
            if (depth and len(stack) >= depth) or len(stack) > _MAX_DEPTH:
                continue
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                below = os.open(name, O_READ_DIRECTORY, dir_fd=directory)
                stack.append((below, above + name + b"/", _names(below)))
    finally:
        for directory, _, _ in stack:
            os.close(directory)


def _open(root: int, path: bytes) -> int:
    return openat2.open_in_root(root, path, _O_PATH)


def _open_directory(root: int, path: bytes) -> int:
    return openat2.open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)


def _names(directory: int) -> list[bytes]:
    """Names in reverse order, to be popped from the end."""
    return sorted(map(os.fsencode, os.listdir(directory)), reverse=True)
