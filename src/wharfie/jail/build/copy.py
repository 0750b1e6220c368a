"""Copying chosen files of one tree into another: COPY, and ADD of archives.

The worker's root is the destination, an overlay mount; the source is a descriptor. What is there
already: a directory merges with a directory, a file or link is replaced, anything else is an
error. Owners, modes, times, attributes, hard links and holes are kept. Source: Dockerfile
reference, COPY and ADD; BuildKit's `solver/llbsolver/file`, fsutil's `copy`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from msgspec import structs

from wharfie.formats.filemode import InvalidMode, ModeChange, parse_mode
from wharfie.formats.tar import FormatError, Kind, Member, Reader
from wharfie.jail import names
from wharfie.jail.build.contents import copy_bytes
from wharfie.jail.build.directories import PARENT_MODE, make, make_directories, open_below
from wharfie.jail.build.links import through_links
from wharfie.jail.build.selection import Entry, Filter, Found, find, status_of, walk
from wharfie.jail.errors import JobError, invalid, of_os_error, show
from wharfie.jail.inflate import Source, chunks
from wharfie.jail.pipeline import ReadAhead
from wharfie.jail.tree import O_PATH_DIRECTORY, O_READ_DIRECTORY, Tree, is_whiteout, remove
from wharfie.jail.unpack import Unpacker
from wharfie.kernel import openat2
from wharfie.kernel.xattr import is_opaque, read_portable
from wharfie.model.archive import Limits
from wharfie.model.build.files import CopyPlan

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL = 0o7000
_ROOT = (0, 0)
_MAX_LINKED = 1000
"""Directories with first names of linked files that are kept open; further ones are copied."""
_NO_XATTRS = {errno.ENOTSUP, errno.EPERM}
_PROBE = 1 << 16


class _Open(NamedTuple):
    """A directory of the destination while things are put into it.

    Attributes:
        path: relative to where the walk began.
        status: what its times and owner will be, None leaves them.
        is_fresh: nothing was there, and it is open in the layer itself.
        is_plain: what is made in it gets nothing from it, neither a group nor access rules.
    """

    fd: int
    path: bytes
    status: os.stat_result | None
    is_fresh: bool = False
    is_plain: bool = False


class Copier:
    """Carries out one copy.

    What goes into a directory that was not there is written into the layer itself, past overlay:
    in half the time, and to the same effect, as nothing shows through there.

    Args:
        source: descriptor of the root of the tree copied from.
        layer: descriptor of the layer that the root's mount writes to, -1 for none.
        plan: what is copied, where to, and how.
        limits: bounds of archives.
    """

    def __init__(self, source: int, plan: CopyPlan, limits: Limits, *, layer: int = -1) -> None:
        self.entries = 0
        self.size = 0
        self._source = source
        self._layer = layer
        self._plan = plan
        self._limits = limits
        self._owner = plan.owner or ((0, 0) if plan.root_owned else None)
        self._mode = _parse_mode(plan.mode)
        self._filter = Filter(plan.selection)
        self._root = os.open("/", O_PATH_DIRECTORY)
        self._links: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._linked: dict[tuple[int, int], int] = {}

    def run(self) -> None:
        """Copy all.

        Raises:
            JobError: nothing is there, something is in the way, or the file system refuses.
        """
        found = find(self._source, self._plan.selection)
        destination = os.fsencode(self._plan.destination)
        is_directory = destination.endswith((b"/", b"/.")) or len(found) > 1
        for one in found:
            try:
                self._copy(one, names.clean(b"/" + destination), is_directory=is_directory)
            except OSError as error:
                raise of_os_error(error, one.given) from error

    def _copy(self, found: Found, destination: bytes, *, is_directory: bool) -> None:
        status = status_of(self._source, found.path)
        if self._plan.selection.parents:
            parts = found.given.split(b"/")[found.pivot :]
            destination = self._make_parents(found, parts, destination)
            self._place(found, status, destination, parts[-1] if parts else b"")
        elif stat.S_ISDIR(status.st_mode):
            name = b"" if self._plan.contents else found.given.rpartition(b"/")[2]
            self._place(found, status, destination, name)
        elif self._plan.unpack and self._unpack(found, destination):
            return
        elif is_directory or self._is_directory(destination):
            self._place(found, status, destination, found.given.rpartition(b"/")[2])
        else:
            above, _, name = through_links(self._root, destination).rpartition(b"/")
            self._place(found, status, above or b"/", name)

    def _place(self, found: Found, status: os.stat_result, directory: bytes, name: bytes) -> None:
        """Put a file or a tree under a name into a directory; "" is the directory itself."""
        if not stat.S_ISDIR(status.st_mode):
            if not name:
                raise invalid(f"{show(found.given)}: no name to copy it to")
            if self._filter.leaves_out(found.given.rpartition(b"/")[2], found.given):
                return
            target = self._make_directory(directory)
            with _opened_parent(self._source, found.path) as (above, last):
                self._add(Entry(above, last, last, status), target, name)
            os.close(target)
            return
        made = not self._exists(directory)
        target = self._make_directory(directory)
        if name:
            made = make(target, name)
            above, target = target, open_below(target, name)
            os.close(above)
            directory = directory.rstrip(b"/") + b"/" + name
        if made or (name and self._plan.selection.parents):
            self._finish_directory(target, found.path, status)
        self._copy_tree(found, target, directory, status if made else None)

    def _copy_tree(
        self, found: Found, target: int, path: bytes, status: os.stat_result | None
    ) -> None:
        """Copy all that is in a directory into another.

        Args:
            found: the one.
            target: descriptor of the other, which is closed here.
            path: of the other below the root.
            status: of the one, where the other was made for it.
        """
        top = _Open(target, b"", status)
        stack = [self._past_overlay(top, path) if status is not None else top]
        try:
            for entry in walk(self._source, found.path, self._filter):
                parent, _, name = entry.path.rpartition(b"/")
                while not _is_below(parent, stack[-1].path):
                    self._leave(stack.pop())
                if stack[-1].path != parent:
                    self._make_missing(stack, parent)  # its own were excluded
                if stat.S_ISDIR(entry.status.st_mode):
                    self.entries += 1
                    stack.append(self._enter(stack[-1], entry, path))
                else:
                    self._add(entry, stack[-1].fd, name, is_plain=stack[-1].is_plain)
        finally:
            while stack:
                self._leave(stack.pop())

    def _enter(self, above: _Open, entry: Entry, path: bytes) -> _Open:
        """The directory that a directory is copied to."""
        if self._plan.is_layer:
            self._uncover(above, entry)
        made = make(above.fd, entry.name)
        fd = open_below(above.fd, entry.name)
        if not made and not self._plan.is_layer:
            return _Open(fd, entry.path, None)  # what is there stays as it is
        opened = _Open(fd, entry.path, entry.status, above.is_fresh, above.is_plain)
        if made and not above.is_fresh:
            opened = self._past_overlay(opened, path.rstrip(b"/") + b"/" + entry.path)
        if self._take_attributes(entry, opened.fd):
            return opened._replace(is_plain=False)
        return opened

    def _past_overlay(self, opened: _Open, path: bytes) -> _Open:
        """A directory that was just made, opened in the layer where that can be told surely."""
        if self._layer < 0:
            return opened
        resolve = openat2.RESOLVE_IN_ROOT | openat2.RESOLVE_NO_SYMLINKS
        try:
            fd = openat2.openat2(self._layer, path.strip(b"/"), O_READ_DIRECTORY, resolve)
        except OSError:
            return opened  # the path leads over a link, and so elsewhere
        status = os.fstat(fd)
        if status.st_ino != os.fstat(opened.fd).st_ino:
            os.close(fd)
            return opened
        os.close(opened.fd)
        is_plain = not status.st_mode & stat.S_ISGID and not os.listxattr(fd)
        return opened._replace(fd=fd, is_fresh=True, is_plain=is_plain)

    def _make_missing(self, stack: list[_Open], path: bytes) -> None:
        above = stack[-1]
        done = above.path
        for name in path[len(done) :].strip(b"/").split(b"/"):
            make(above.fd, name)
            done = done + b"/" + name if done else name
            fd = open_below(above.fd, name)
            above = _Open(fd, done, None, above.is_fresh, above.is_plain)
            stack.append(above)

    def _leave(self, opened: _Open) -> None:
        """Nothing more is put into a directory: now its times stay."""
        if opened.status is not None:
            self._set(opened.fd, opened.status)
        os.close(opened.fd)

    def _take_attributes(self, entry: Entry, target: int) -> bool:
        """Give a directory the attributes of another; False where there are none."""
        fd = os.open(entry.name, O_READ_DIRECTORY, dir_fd=entry.directory)
        try:
            return _set_xattrs(target, fd)
        finally:
            os.close(fd)

    def _finish_directory(self, target: int, path: bytes, status: os.stat_result) -> None:
        fd = openat2.open_in_root(self._source, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _set_xattrs(target, fd)
        finally:
            os.close(fd)
        self._set(target, status)

    def _add(self, entry: Entry, target: int, name: bytes, *, is_plain: bool = False) -> None:
        """Copy one file that is no directory, in the place of what has its name."""
        kind = stat.S_IFMT(entry.status.st_mode)
        if kind == stat.S_IFSOCK:
            return
        if self._plan.is_layer and self._replace(entry, target, name):
            return
        self.entries += 1
        if kind == stat.S_IFREG:
            self._add_file(entry, target, name, is_plain=is_plain)
            return
        self._make_room(target, name)
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(entry.name, dir_fd=entry.directory), name, dir_fd=target)
        else:
            os.mknod(name, kind | self._wanted(entry.status), entry.status.st_rdev, dir_fd=target)
        uid, gid = self._owner or (entry.status.st_uid, entry.status.st_gid)
        os.chown(name, uid, gid, dir_fd=target, follow_symlinks=False)
        times = (entry.status.st_mtime_ns, entry.status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)

    def _replace(self, entry: Entry, target: int, name: bytes) -> bool:
        """Remove what an entry of a layer hides; tells whether the entry is no more than that."""
        with suppress(FileNotFoundError):
            remove(target, name)
        return is_whiteout(entry.status)

    def _uncover(self, above: _Open, entry: Entry) -> None:
        """Remove what a directory of a layer takes the place of, or hides."""
        with suppress(FileNotFoundError):
            status = os.stat(entry.name, dir_fd=above.fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode) or _is_opaque(entry):
                remove(above.fd, entry.name)

    def _add_file(self, entry: Entry, target: int, name: bytes, *, is_plain: bool) -> None:
        fd = os.open(entry.name, _OPEN, dir_fd=entry.directory)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise invalid(f"{show(entry.path)}: changed while it was read")
            if self._plan.hard_links and status.st_nlink > 1 and self._link(status, target, name):
                return
            self.size += status.st_size
            mode = self._wanted(status)
            to = self._create(target, name, mode)
            try:
                copy_bytes(fd, to, status)
                _set_xattrs(to, fd)
                owner = self._owner or (status.st_uid, status.st_gid)
                if is_plain and owner == _ROOT and not mode & _SPECIAL:
                    # It was made so.
                    os.utime(to, ns=(status.st_mtime_ns, status.st_mtime_ns))
                else:
                    self._set(to, status)
            finally:
                os.close(to)
        finally:
            os.close(fd)

    def _create(self, target: int, name: bytes, mode: int) -> int:
        mode &= 0o777  # exactly: a worker has no umask
        try:
            return os.open(name, _CREATE, mode, dir_fd=target)
        except FileExistsError:
            self._make_room(target, name)
            return os.open(name, _CREATE, mode, dir_fd=target)

    def _link(self, status: os.stat_result, target: int, name: bytes) -> bool:
        """Make a further name of a file that was copied before; False for the first."""
        key = (status.st_dev, status.st_ino)
        first = self._links.get(key)
        if first is not None:
            return self._link_to(*first, target, name)
        directory = os.fstat(target)
        above = self._linked.get((directory.st_dev, directory.st_ino), -1)
        if above < 0 and len(self._linked) < _MAX_LINKED:
            above = self._linked[directory.st_dev, directory.st_ino] = os.dup(target)
        if above >= 0:
            self._links[key] = (above, name)
        return False

    def _link_to(self, above: int, first_name: bytes, target: int, name: bytes) -> bool:
        for _ in range(2):
            try:
                os.link(
                    first_name, name, src_dir_fd=above, dst_dir_fd=target, follow_symlinks=False
                )
            except FileExistsError:
                self._make_room(target, name)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK):
                    raise
                return False  # one lies past overlay, the other not
            else:
                return True
        raise invalid(f"{show(name)}: somebody else keeps making it")

    def _wanted(self, status: os.stat_result) -> int:
        mode = stat.S_IMODE(status.st_mode)
        if self._mode is None:
            return mode
        return self._mode(mode, stat.S_ISDIR(status.st_mode))

    def _set(self, fd: int, status: os.stat_result) -> None:
        uid, gid = self._owner or (status.st_uid, status.st_gid)
        os.fchown(fd, uid, gid)
        os.fchmod(fd, self._wanted(status))
        os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))

    def _make_room(self, target: int, name: bytes) -> None:
        try:
            os.unlink(name, dir_fd=target)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise invalid(f"cannot overwrite directory {show(name)} with non-directory") from None

    def _is_directory(self, path: bytes) -> bool:
        try:
            os.close(openat2.open_in_root(self._root, path, O_PATH_DIRECTORY))
        except OSError:
            return False
        return True

    def _exists(self, path: bytes) -> bool:
        try:
            os.close(openat2.open_in_root(self._root, path, os.O_PATH))
        except OSError:
            return False
        return True

    def _make_directory(self, path: bytes) -> int:
        """Open a directory of the destination; those that are missing belong to the new owner."""
        return make_directories(self._root, path, PARENT_MODE, self._owner or (0, 0))

    def _make_parents(self, found: Found, parts: list[bytes], destination: bytes) -> bytes:
        """With `--parents`: the directories above a file, as they are in the source."""
        leading = found.given.split(b"/")[: found.pivot]
        current = self._make_directory(destination)
        for number, name in enumerate(parts[:-1]):
            path = b"/".join([*leading, *parts[: number + 1]])
            made = make(current, name)
            below = open_below(current, name)
            os.close(current)
            current = below
            destination = destination.rstrip(b"/") + b"/" + name
            if made:
                self._finish_directory(current, path, status_of(self._source, path))
        os.close(current)
        return destination

    def _unpack(self, found: Found, destination: bytes) -> bool:
        """Unpack a file that is an archive; False where it is none."""
        fd = openat2.open_in_root(self._source, found.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode) or not _is_archive(fd, self._limits):
                return False
            os.lseek(fd, 0, os.SEEK_SET)
            os.close(self._make_directory(destination))
            unpacker = _Adder(
                Tree(destination),
                self._limits,
                owner=self._plan.owner,
                no_overwrite_dir_non_dir=False,
            )
            unpacker.mode = self._mode
            unpacker.run(ReadAhead(chunks(Source.of(fd), self._limits)))
            self.entries += unpacker.entries
            self.size += unpacker.size
            return True
        finally:
            os.close(fd)


class _Adder(Unpacker):
    """Unpacks an archive that is added; `mode` changes those of its members."""

    mode: ModeChange | None = None

    def place(self, path: bytes, member: Member) -> None:
        """Put one member at its path, its mode changed."""
        if self.mode is not None:
            mode = self.mode(member.mode, member.kind is Kind.DIRECTORY)
            member = structs.replace(member, mode=mode)
        super().place(path, member)


def _is_opaque(entry: Entry) -> bool:
    fd = os.open(entry.name, O_READ_DIRECTORY, dir_fd=entry.directory)
    try:
        return is_opaque(fd)
    finally:
        os.close(fd)


@contextmanager
def _opened_parent(root: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    above, _, name = path.rpartition(b"/")
    fd = openat2.open_in_root(root, above or b".", O_PATH_DIRECTORY)
    try:
        yield fd, name
    finally:
        os.close(fd)


def _is_below(path: bytes, directory: bytes) -> bool:
    return not directory or path == directory or path.startswith(directory + b"/")


def _set_xattrs(target: int, source: int) -> bool:
    """Copy attributes; tells whether there were any."""
    found = read_portable(source)
    for name, value in found.items():
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise
    return bool(found)


def _is_archive(fd: int, limits: Limits) -> bool:
    """Tell whether a file is a tar, compressed or not, by its first member."""
    try:
        head = b"".join(_first(chunks(Source.of(fd), limits)))
        return any(isinstance(event, Member) for event in Reader().feed(head))
    except (JobError, FormatError, OSError, EOFError):
        return False


def _first(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        yield piece[:_PROBE]
        size += len(piece)
        if size >= 512:
            return


def _parse_mode(text: str) -> ModeChange | None:
    if not text:
        return None
    try:
        return parse_mode(text)
    except InvalidMode as error:
        raise invalid(str(error)) from None
