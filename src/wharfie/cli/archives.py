"""Tar streams of `cp`: packing local files, and unpacking what a container sent.

What comes from a container is hostile: no name may leave the destination, no symbolic link below
it is followed, devices are left out, and set-id bits are dropped unless ownership is kept.
"""

from __future__ import annotations

import os
import stat
import tarfile

from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.tar import Chunk, Event, FormatError, Kind, Member, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20
_MAX_TIME = 1 << 62
_BLOCK = 512


def pack(path: str, root: str) -> Iterator[bytes]:
    """Yield a tar archive of a file or tree, whose top is called `root`.

    Raises:
        CommandError: something cannot be read.
    """
    seen: dict[tuple[int, int], str] = {}
    try:
        yield from _entry(path, root, seen)
    except OSError as error:
        raise CommandError(f"open {error.filename or path}: {error_words(error)}") from None
    yield bytes(2 * _BLOCK)


def _entry(path: str, name: str, seen: dict[tuple[int, int], str]) -> Iterator[bytes]:
    found = os.lstat(path)
    if stat.S_ISSOCK(found.st_mode):
        return
    info = _describe(path, name, found, seen)
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if info.isreg():
        yield from _content(path, info.size)
    elif info.isdir():
        for child in sorted(os.listdir(path)):
            yield from _entry(os.path.join(path, child), f"{name}/{child}", seen)


def _describe(
    path: str, name: str, found: os.stat_result, seen: dict[tuple[int, int], str]
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(found.st_mode)
    info.uid, info.gid, info.mtime = found.st_uid, found.st_gid, int(found.st_mtime)
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        info.type = tarfile.DIRTYPE
    elif kind == stat.S_IFLNK:
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif kind == stat.S_IFIFO:
        info.type = tarfile.FIFOTYPE
    elif kind in {stat.S_IFCHR, stat.S_IFBLK}:
        info.type = tarfile.CHRTYPE if kind == stat.S_IFCHR else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    else:
        inode = found.st_dev, found.st_ino
        if found.st_nlink > 1 and inode in seen:
            info.type, info.linkname = tarfile.LNKTYPE, seen[inode]
        else:
            seen[inode] = name
            info.size = found.st_size
    return info


def _content(path: str, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes: a file that shrinks meanwhile is filled up with zeroes."""
    left = size
    with open(path, "rb", buffering=0) as handle:
        while left:
            piece = handle.read(min(_CHUNK, left)) or bytes(min(_CHUNK, left))
            left -= len(piece)
            yield piece
    yield bytes(-size % _BLOCK)


class Extractor:
    """Unpacks a container's archive below one folder."""

    def __init__(
        self, folder: str, name: str, *, keep_owner: bool, warn: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._name = name
        self._keep_owner = keep_owner
        self._warn = warn
        self._late: list[tuple[str, Member]] = []
        self._handle = -1
        self._written: tuple[str, Member]
        self.size = 0

    def extract(self, pieces: Iterator[bytes]) -> None:
        """Unpack everything.

        Raises:
            CommandError: the archive is broken, leaves the folder, or the disk refuses.
        """
        reader = Reader()
        try:
            for piece in pieces:
                self.size += len(piece)
                for event in reader.feed(piece):
                    self._on_event(event)
            reader.close()
            for path, member in reversed(self._late):
                self._attributes(path, member)
        except FormatError as error:
            raise CommandError(f"invalid tar stream from the daemon: {error}") from None
        except OSError as error:
            where = error.filename or self._folder
            raise CommandError(f"{where}: {error_words(error)}") from None
        finally:
            self._close()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Chunk):
            if self._handle >= 0:
                _write(self._handle, event.offset, event.data)
        elif isinstance(event, Member):
            self._make(event, self._place(os.fsdecode(event.path)))
        elif self._handle >= 0:
            path, member = self._written
            if member.sparse:
                os.ftruncate(self._handle, member.size)
            self._close()
            self._attributes(path, member)

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _place(self, name: str) -> str:
        """Return where a member goes, every folder above it being a real one."""
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if name.startswith("/") or ".." in parts:
            raise CommandError(f"refusing to unpack outside of the destination: {name!r}")
        if self._name:
            parts = [self._name, *parts[1:]] if not name.startswith("./") else [self._name, *parts]
        path = self._folder
        for part in parts[:-1]:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise CommandError(f"refusing to unpack through a symbolic link: {path}")
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
        return os.path.join(path, parts[-1]) if parts else self._folder

    def _make(self, member: Member, path: str) -> None:
        if member.kind is Kind.DIRECTORY:
            if os.path.islink(path) or (os.path.exists(path) and not os.path.isdir(path)):
                raise CommandError(f"cannot overwrite non-directory {path!r} with directory")
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
            self._late.append((path, member))
            return
        if os.path.isdir(path) and not os.path.islink(path):
            raise CommandError(f"cannot overwrite directory {path!r} with non-directory")
        if os.path.lexists(path):
            os.unlink(path)
        if member.kind is Kind.FILE:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            self._handle = os.open(path, flags, 0o600)
            self._written = path, member
            return
        if member.kind is Kind.SYMLINK:
            os.symlink(os.fsdecode(member.link), path)
        elif member.kind is Kind.HARD_LINK:
            os.link(self._place(os.fsdecode(member.link)), path, follow_symlinks=False)
            return
        elif member.kind is Kind.FIFO and hasattr(os, "mkfifo"):
            os.mkfifo(path)
        else:
            self._warn(f"skipped special file {os.fsdecode(member.path)!r}")
            return
        self._attributes(path, member)

    def _attributes(self, path: str, member: Member) -> None:
        if self._keep_owner and hasattr(os, "lchown") and os.geteuid() == 0:
            os.lchown(path, member.uid, member.gid)
        if member.kind is Kind.SYMLINK:
            return
        os.chmod(path, member.mode & (0o7777 if self._keep_owner else 0o1777))
        moment = min(max(member.mtime, -_MAX_TIME), _MAX_TIME)
        os.utime(path, ns=(moment, moment))


def _write(handle: int, offset: int, data: memoryview) -> None:
    os.lseek(handle, offset, os.SEEK_SET)
    while data:
        data = data[os.write(handle, data) :]
