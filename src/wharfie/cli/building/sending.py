"""Sending a context: as a manifest of which only what the daemon lacks follows, or as a tar."""

from __future__ import annotations

import hashlib
import os
import stat

from wharfie.cli.building.digests import DigestCache
from wharfie.cli.building.lender import Refused
from wharfie.formats.session import manifest
from wharfie.formats.session.manifest import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharfie.cli.building.lender import Line
    from wharfie.cli.building.tree import Found, LocalTree

    Progress = Callable[[int], None]

_READ = 1 << 18
_MODES = {stat.S_IFDIR: manifest.DIRECTORY, stat.S_IFIFO: manifest.FIFO}
_BLOCK = 512


class ContextSender:
    """Sends one folder over a session.

    Args:
        tree: the folder.
        cache: digests known of it.
        progress: told how many bytes were sent so far.
    """

    def __init__(self, tree: LocalTree, cache: DigestCache, progress: Progress) -> None:
        self._tree = tree
        self._cache = cache
        self._progress = progress
        self._sent = 0

    def send(self, line: Line) -> None:
        """Hold the dialog (`formats.session.manifest`).

        Raises:
            Refused: a file changed while it was sent, or cannot be read.
        """
        found: list[Found] = []
        entries: list[Entry] = []
        for one in self._tree.walk():
            found.append(one)
            entries.append(self._entry(one))
        self._cache.save()
        blocks = list(manifest.blocks(entries))
        self._say(line, manifest.encode_digests([manifest.digest_of(block) for block in blocks]))
        for number in self._wanted(line, manifest.WANT_BLOCKS):
            self._say(line, manifest.encode_block(blocks[number]))
        for number in self._wanted(line, manifest.WANT_FILES):
            self._send_file(line, found[number], entries[number])

    def _wanted(self, line: Line, expected: bytes) -> list[int]:
        numbers: list[int] = []
        last = False
        while not last:
            message = line.receive()
            if message is None:
                raise Refused("the daemon gave up on the context")
            tag, more, last = manifest.decode_wanted(message)
            if tag != expected:
                raise Refused("unexpected answer of the daemon")
            numbers += more
        return numbers

    def _say(self, line: Line, data: bytes) -> None:
        line.send(data)
        self._sent += len(data)
        self._progress(self._sent)

    def _send_file(self, line: Line, one: Found, entry: Entry) -> None:
        if one.data is not None:
            self._say(line, one.data)
            return
        state = hashlib.sha256()
        left = entry.size
        with open(one.full, "rb", buffering=0) as file:
            while left and (piece := file.read(min(left, _READ))):
                state.update(piece)
                self._say(line, piece)
                left -= len(piece)
        if left or state.hexdigest() != entry.digest:
            self._cache.forget(entry.path)
            self._cache.save()
            raise Refused(f"{one.path} changed while it was sent; build again")

    def _entry(self, one: Found) -> Entry:
        path = os.fsencode(one.path)
        if one.status is None:
            data = one.data or b""
            digest = hashlib.sha256(data).hexdigest()
            return Entry(manifest.FILE, path, mode=0o600, size=len(data), digest=digest)
        mode, mtime = stat.S_IMODE(one.status.st_mode), one.status.st_mtime_ns
        kind = stat.S_IFMT(one.status.st_mode)
        if kind == stat.S_IFREG:
            return Entry(
                manifest.FILE,
                path,
                mode=mode,
                mtime=mtime,
                size=one.status.st_size,
                digest=self._cache.digest(one.full, path, one.status),
            )
        if kind == stat.S_IFLNK:
            link = os.fsencode(os.readlink(one.full))
            return Entry(manifest.SYMLINK, path, mode=0o777, mtime=mtime, link=link)
        if kind not in _MODES:
            raise Refused(f"{one.path}: a build context cannot hold devices")
        return Entry(_MODES[kind], path, mode=mode, mtime=mtime)


def pack(tree: LocalTree) -> Iterator[bytes]:
    """A folder as a tar, for daemons without sessions."""
    import tarfile

    for one in tree.walk():
        info = tarfile.TarInfo(one.path)
        if one.status is None:
            info.size, info.mode = len(one.data or b""), 0o600
        else:
            info.mode = stat.S_IMODE(one.status.st_mode)
            info.mtime = int(one.status.st_mtime)
            kind = stat.S_IFMT(one.status.st_mode)
            if kind == stat.S_IFDIR:
                info.type = tarfile.DIRTYPE
            elif kind == stat.S_IFLNK:
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(one.full)
            elif kind == stat.S_IFIFO:
                info.type = tarfile.FIFOTYPE
            elif kind == stat.S_IFREG:
                info.size = one.status.st_size
            else:
                continue
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if info.isreg():
            yield from _content(one, info.size)
            yield bytes(-info.size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _content(one: Found, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes: a file that shrinks meanwhile is filled up with zeroes."""
    if one.data is not None:
        yield one.data
        return
    with open(one.full, "rb", buffering=0) as file:
        while size:
            piece = file.read(min(_READ, size)) or bytes(min(_READ, size))
            size -= len(piece)
            yield piece
