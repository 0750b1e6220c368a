"""Files become members of an archive: sorted, hard links kept, sockets left out.

As Docker's archives: times in whole seconds, no user names, no access times; so the same tree
makes the same bytes.
"""

from __future__ import annotations

import os
import stat

from wharfie.formats.tar import END_OF_ARCHIVE, Kind, Member, encode_member, padding
from wharfie.jail.errors import invalid, of_os_error, show
from wharfie.jail.sink import Sink
from wharfie.jail.tree import O_READ_DIRECTORY
from wharfie.kernel.xattr import read_portable

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SECOND = 1_000_000_000
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER_DEVICE,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}


class Packer:
    """Writes one archive."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._links: dict[tuple[int, int], bytes] = {}

    def finish(self) -> None:
        """Write the end of the archive."""
        self._sink.write(END_OF_ARCHIVE)
        self._sink.flush()

    def add_contents(self, directory: int, prefix: bytes) -> None:
        """Add all that is in an open directory, the directory itself not.

        Args:
            directory: descriptor; closed here.
            prefix: put before each name, with its slash.

        Raises:
            JobError: a path too long to be opened, or a file that cannot be read.
        """
        stack = [(directory, prefix, _names(directory))]
        while stack:
            above, prefix, names = stack[-1]
            if not names:
                os.close(above)
                stack.pop()
                continue
            name = names.pop()
            path = prefix + name
            try:
                fd = self.add(above, name, path)
            except FileNotFoundError:
                continue  # a running container removed it meanwhile
            except OSError as error:
                raise of_os_error(error, path) from error
            if fd is not None:
                stack.append((fd, path + b"/", _names(fd)))

    def add(self, above: int, name: bytes, path: bytes) -> int | None:
        """Add one file; the descriptor of a directory whose contents are to follow, else None.

        Args:
            above: descriptor of its directory.
            name: its name there.
            path: what the archive calls it, without a trailing slash.
        """
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None  # sockets mean nothing in an archive
        if kind is Kind.DIRECTORY:
            fd = os.open(name, O_READ_DIRECTORY, dir_fd=above)
            return self.add_directory(fd, path)
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                member = member_of(path, Kind.HARD_LINK, status, link=first)
                self._sink.write(encode_member(member))
                return None
        if kind is Kind.FILE:
            self._add_file(above, name, path)
        else:
            link = os.readlink(name, dir_fd=above) if kind is Kind.SYMLINK else b""
            self._sink.write(encode_member(member_of(path, kind, status, link=link)))
        return None

    def add_directory(self, fd: int, path: bytes) -> int | None:
        """Add an open directory; returns the descriptor, for its contents to follow."""
        member = member_of(path + b"/", Kind.DIRECTORY, os.fstat(fd), xattrs=read_portable(fd))
        self._sink.write(encode_member(member))
        return fd

    def add_empty(self, path: bytes, status: os.stat_result) -> None:
        """Add an empty file that stands for something else."""
        self._sink.write(encode_member(member_of(path, Kind.FILE, status)))

    def check_attributes(self, fd: int, path: bytes) -> None:
        """Look at a file about to be packed."""

    def _add_file(self, above: int, name: bytes, path: bytes) -> None:
        fd = os.open(name, _OPEN_FILE, dir_fd=above)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise invalid(f"{show(path)}: changed while it was read")
            self.check_attributes(fd, path)
            size = status.st_size
            member = member_of(path, Kind.FILE, status, size=size, xattrs=read_portable(fd))
            self._sink.write(encode_member(member))
            if size:
                self._sink.copy(fd, size)
                self._sink.write(padding(size))
        finally:
            os.close(fd)


def member_of(
    path: bytes,
    kind: Kind,
    status: os.stat_result,
    *,
    link: bytes = b"",
    size: int = 0,
    xattrs: dict[str, bytes] | None = None,
) -> Member:
    """A file's status as a member."""
    is_device = kind in {Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE}
    device = status.st_rdev
    return Member(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=size,
        mtime=status.st_mtime_ns // _SECOND * _SECOND,
        link=link,
        device=(os.major(device), os.minor(device)) if is_device else (0, 0),
        xattrs=xattrs or {},
    )


def _names(directory: int) -> list[bytes]:
    """Names in reverse order, to be popped from the end."""
    return sorted(map(os.fsencode, os.listdir(directory)), reverse=True)
