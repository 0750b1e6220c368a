"""Members of an archive become files below a base directory.

What replaces what follows moby's `pkg/archive`: a directory merges with a directory, anything
else replaces what is there. Times of directories are set last, when nothing is put into them
any more. Owner and mode are set on descriptors; a link is never followed to its target.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from wharfie.formats.tar import Chunk, End, FormatError, Kind, Member, Reader
from wharfie.jail.errors import invalid, of_os_error, show
from wharfie.jail.names import member_path
from wharfie.jail.tree import O_READ_DIRECTORY, Tree, opened, remove, remove_directory
from wharfie.kernel.xattr import is_portable
from wharfie.model.archive import Limits

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 16
_DIRECT = 1 << 17
"""Bytes of a file's rest that are worth two system calls of their own."""
_MAX_TIME = 1 << 62
_DEVICE_TYPES = {
    Kind.CHARACTER_DEVICE: stat.S_IFCHR,
    Kind.BLOCK_DEVICE: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}
_MAX_MAJOR = (1 << 12) - 1
_MAX_MINOR = (1 << 20) - 1
_NO_XATTRS = {errno.ENOTSUP, errno.EPERM}


class Unpacker:
    """Puts the members of one archive where they belong.

    Args:
        pipe: where the archive's chunks are read, if what was not read yet may go from there into
            a file directly.

    Attributes:
        entries: members seen.
        size: bytes of file content written.
    """

    def __init__(
        self,
        tree: Tree,
        limits: Limits,
        *,
        owner: tuple[int, int] | None = None,
        no_overwrite_dir_non_dir: bool = False,
        pipe: int = -1,
    ) -> None:
        self._pipe = pipe
        self.entries = 0
        self.size = 0
        self._tree = tree
        self._limits = limits
        self._owner = owner
        self._keep_types = no_overwrite_dir_non_dir
        self._member: Member | None = None
        self._path = b""
        self._file = -1
        self._directory_times: dict[bytes, tuple[int, int]] = {}

    def run(self, chunks: Iterable[bytes]) -> None:
        """Unpack a whole archive; every chunk is read to the end, trailing ones included.

        Raises:
            JobError: damaged, escaping, beyond the limits, or the file system refuses.
        """
        reader = Reader()
        try:
            for chunk in chunks:
                if reader.ended:
                    continue
                for event in reader.feed(chunk):
                    if type(event) is Chunk:
                        self._write(event)
                    elif type(event) is End:
                        self._finish()
                    elif type(event) is Member:
                        self._add(event)
                if self._pipe >= 0 and reader.ahead > _DIRECT:
                    self._move(self._pipe, reader)
            reader.close()
            self._set_directory_times()
        except FormatError as error:
            raise invalid(str(error)) from error
        except OSError as error:
            raise of_os_error(error, self._path) from error

    def place(self, path: bytes, member: Member) -> None:
        """Put one member at a cleaned path below the base."""
        match member.kind:
            case Kind.FILE:
                self._begin_file(path, member)
            case Kind.DIRECTORY:
                self._make_directory(path, member)
            case Kind.SYMLINK:
                self._make_symlink(path, member)
            case Kind.HARD_LINK:
                self._make_link(path, member)
            case Kind.CHARACTER_DEVICE | Kind.BLOCK_DEVICE | Kind.FIFO:
                self._make_node(path, member)

    def on_root(self, member: Member) -> None:
        """The archive names its own root: nothing, the extraction point stays as it is."""

    def on_replaced(self, path: bytes, status: os.stat_result, member: Member) -> None:
        """Something of this path is about to be removed for a member of another type."""

    def _add(self, member: Member) -> None:
        self.entries += 1
        if self.entries > self._limits.entries:
            raise invalid(f"archive exceeds the limit of {self._limits.entries} entries")
        if member.size > self._limits.size:
            raise invalid(f"archive exceeds the limit of {self._limits.size} bytes")
        self._path = member.path
        path = member_path(member.path)
        if path:
            self.place(path, member)
        elif member.kind is Kind.DIRECTORY:
            self.on_root(member)
        else:
            raise invalid(f"{show(member.path)!r} would replace the archive's root")

    def _begin_file(self, path: bytes, member: Member) -> None:
        parent, name = self._tree.split(path)
        self._member = member
        for _ in range(_ATTEMPTS):
            try:
                self._file = os.open(name, _CREATE, 0o600, dir_fd=parent)
            except FileExistsError:
                parent = self._make_room(path, member)
            else:
                return
        raise invalid(f"{show(path)}: somebody else keeps making it")

    def _write(self, chunk: Chunk) -> None:
        if self._file < 0:
            return
        offset, data = chunk.offset, chunk.data
        self.size += len(data)
        if self.size > self._limits.size:
            raise invalid(f"archive exceeds the limit of {self._limits.size} bytes")
        written = os.pwrite(self._file, data, offset)
        while written < len(data):
            written += os.pwrite(self._file, data[written:], offset + written)

    def _move(self, pipe: int, reader: Reader) -> None:
        """The rest of a large file goes from the pipe into the page cache by itself."""
        size = reader.ahead
        if self.size + size > self._limits.size:
            raise invalid(f"archive exceeds the limit of {self._limits.size} bytes")
        os.lseek(self._file, reader.offset, os.SEEK_SET)
        while left := reader.ahead:
            try:
                moved = os.splice(pipe, self._file, left)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._pipe = -1  # a file system that cannot: its files are written by hand
                return
            if not moved:
                return  # truncated, as whoever reads on will see
            self.size += moved
            if reader.skip(moved):
                self._finish()

    def _finish(self) -> None:
        fd, member = self._file, self._member
        if fd < 0 or member is None:
            return
        if member.sparse:
            os.ftruncate(fd, member.size)
        self._set_metadata(fd, member)
        os.utime(fd, ns=times_of(member))
        os.close(fd)
        self._file = -1

    def _make_directory(self, path: bytes, member: Member) -> None:
        parent, name = self._tree.split(path)
        for _ in range(_ATTEMPTS):
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
                break
            except FileExistsError:
                status = _status(parent, name)
                if status is not None and stat.S_ISDIR(status.st_mode):
                    break
                parent = self._make_room(path, member)
        else:
            raise invalid(f"{show(path)}: somebody else keeps making it")
        with opened(name, O_READ_DIRECTORY, directory=parent) as fd:
            self._set_metadata(fd, member)
        self._directory_times[path] = times_of(member)

    def _make_symlink(self, path: bytes, member: Member) -> None:
        parent, name = self._tree.split(path)
        for _ in range(_ATTEMPTS):
            try:
                os.symlink(member.link, name, dir_fd=parent)
                break
            except FileExistsError:
                parent = self._make_room(path, member)
        else:
            raise invalid(f"{show(path)}: somebody else keeps making it")
        self._set_owner_of_name(parent, name, member)

    def _make_link(self, path: bytes, member: Member) -> None:
        target = member_path(member.link)
        if not target or target == path:
            if target and _status(*self._tree.split(path)) is not None:
                return
            raise invalid(f"{show(path)}: a hard link to itself or to the root")
        for _ in range(_ATTEMPTS):
            source, source_name = self._tree.split(target)
            source = os.dup(source)
            try:
                parent, name = self._tree.split(path)
                os.link(
                    source_name, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False
                )
            except FileExistsError:
                if not self._is_same(path, target):
                    self._make_room(path, member)
                    continue
            except FileNotFoundError:
                text = f"{show(path)}: hard link target {show(member.link)} is not there"
                raise invalid(text) from None
            finally:
                os.close(source)
            return
        raise invalid(f"{show(path)}: somebody else keeps making it")

    def _is_same(self, path: bytes, target: bytes) -> bool:
        there = _status(*self._tree.split(path))
        wanted = _status(*self._tree.split(target))
        if there is None or wanted is None:
            return False
        return (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)

    def _make_node(self, path: bytes, member: Member) -> None:
        major, minor = member.device
        if major > _MAX_MAJOR or minor > _MAX_MINOR:
            raise invalid(f"{show(path)}: device number out of range")
        parent, name = self._tree.split(path)
        # The mode is given here, under umask 0: chmod by name would follow a swapped-in symlink.
        mode = _DEVICE_TYPES[member.kind] | member.mode
        device = 0 if member.kind is Kind.FIFO else os.makedev(major, minor)
        for _ in range(_ATTEMPTS):
            try:
                os.mknod(name, mode, device, dir_fd=parent)
                break
            except FileExistsError:
                parent = self._make_room(path, member)
        else:
            raise invalid(f"{show(path)}: somebody else keeps making it")
        self._set_owner_of_name(parent, name, member)

    def _make_room(self, path: bytes, member: Member) -> int:
        """Remove what is in a member's way; returns its directory's descriptor anew."""
        parent, name = self._tree.split(path)
        status = _status(parent, name)
        if status is None:
            return parent
        is_directory = stat.S_ISDIR(status.st_mode)
        if self._keep_types and is_directory and member.kind is not Kind.DIRECTORY:
            raise invalid(f"cannot overwrite directory {show(path)!r} with non-directory")
        if self._keep_types and not is_directory and member.kind is Kind.DIRECTORY:
            raise invalid(f"cannot overwrite non-directory {show(path)!r} with directory")
        self.on_replaced(path, status, member)
        if is_directory:
            remove_directory(parent, name)
            self._forget_below(path)
        else:
            remove(parent, name)
        if is_directory or stat.S_ISLNK(status.st_mode):
            self._tree.forget()
            return self._tree.split(path)[0]
        return parent

    def _forget_below(self, path: bytes) -> None:
        below = path + b"/"
        for known in [k for k in self._directory_times if k == path or k.startswith(below)]:
            del self._directory_times[known]

    def _set_metadata(self, fd: int, member: Member) -> None:
        uid, gid = self._owner or (member.uid, member.gid)
        os.fchown(fd, uid, gid)
        os.fchmod(fd, member.mode)
        for name, value in member.xattrs.items():
            if is_portable(name):
                try:
                    os.setxattr(fd, name, value)
                except OSError as error:
                    if error.errno not in _NO_XATTRS:
                        raise

    def _set_owner_of_name(self, parent: int, name: bytes, member: Member) -> None:
        uid, gid = self._owner or (member.uid, member.gid)
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=times_of(member), dir_fd=parent, follow_symlinks=False)

    def _set_directory_times(self) -> None:
        for path, times in self._directory_times.items():
            try:
                # The last component of the root's own path, b"", would be no name.
                parent, name = self._tree.split(path) if path else (self._tree.directory(b""), b".")
                os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                continue  # a running container was faster


def times_of(member: Member) -> tuple[int, int]:
    """Access and modification time in nanoseconds, within what the kernel can take."""
    modified = min(max(member.mtime, -_MAX_TIME), _MAX_TIME)
    accessed = modified if member.atime is None else min(max(member.atime, -_MAX_TIME), _MAX_TIME)
    return accessed, modified


def _status(parent: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
