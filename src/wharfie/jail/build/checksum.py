"""The checksum of what a COPY takes: equal files have equal ones, wherever and whenever made.

    name · type and mode · uid, gid · size · link · xattrs · digest of the bytes      each path

Times are left out, as in Docker: touching a file must not build anything anew. Source: BuildKit's
`cache/contenthash`; Docker's tarsum.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping

from wharfie.jail.build.selection import Entry, Filter, Found, find, status_of, walk
from wharfie.jail.errors import of_os_error
from wharfie.jail.protocol import Checksum
from wharfie.kernel import openat2
from wharfie.kernel.xattr import read_portable

_READ = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class TreeSum:
    """Sums up the chosen files of a tree.

    Args:
        root: descriptor of the tree's root.
        task: which files, and how they count.
        known: digests ("sha256:…") of files by path relative to the root, read from elsewhere.
    """

    def __init__(self, root: int, task: Checksum, known: Mapping[bytes, bytes]) -> None:
        self._root = root
        self._task = task
        self._known = known
        self._state = hashlib.sha256()
        self._filter = Filter(task.selection)
        self.entries = 0

    def digest(self) -> str:
        """`sha256:<hex>` over all.

        Raises:
            JobError: nothing is there, or a file cannot be read.
        """
        for found in find(self._root, self._task.selection):
            try:
                self._add(found)
            except OSError as error:
                raise of_os_error(error, found.path) from error
        return f"sha256:{self._state.hexdigest()}"

    def _add(self, found: Found) -> None:
        status = status_of(self._root, found.path)
        name = found.given
        if not stat.S_ISDIR(status.st_mode):
            parent, _, last = found.path.rpartition(b"/")
            directory = openat2.open_in_root(self._root, parent or b".", os.O_PATH | os.O_DIRECTORY)
            try:
                self._count(Entry(directory, last, last, status), name, found.path)
            finally:
                os.close(directory)
            return
        self._record(name, status, b"", {})
        prefix = b"" if found.path == b"." else found.path + b"/"
        for entry in walk(self._root, found.path, self._filter):
            self._count(entry, name + b"/" + entry.path, prefix + entry.path)

    def _count(self, entry: Entry, name: bytes, path: bytes) -> None:
        status = entry.status
        if stat.S_ISREG(status.st_mode):
            fd = os.open(entry.name, _OPEN, dir_fd=entry.directory)
            try:
                content = self._known.get(path) or _digest(fd)
                self._record(name, status, content, read_portable(fd))
            finally:
                os.close(fd)
        elif stat.S_ISLNK(status.st_mode):
            self._record(name, status, os.readlink(entry.name, dir_fd=entry.directory), {})
        elif not stat.S_ISSOCK(status.st_mode):
            self._record(name, status, b"", {})

    def _record(
        self, name: bytes, status: os.stat_result, content: bytes, xattrs: Mapping[str, bytes]
    ) -> None:
        self.entries += 1
        owner = b"0 0" if self._task.root_owned else b"%d %d" % (status.st_uid, status.st_gid)
        is_file = stat.S_ISREG(status.st_mode)
        size = status.st_size if is_file else 0
        parts = [name, b"%o" % status.st_mode, owner, b"%d" % size, content]
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            parts.append(b"%d" % status.st_rdev)
        for key in sorted(xattrs):
            parts += [key.encode(), xattrs[key]]
        # Lengths before, so that no two lists of parts look the same.
        self._state.update(b"".join(b"%d:%s" % (len(part), part) for part in parts) + b"\n")


def _digest(fd: int) -> bytes:
    state = hashlib.sha256()
    while data := os.read(fd, _READ):
        state.update(data)
    return b"sha256:" + state.hexdigest().encode()
