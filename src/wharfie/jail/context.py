"""Build contexts: trees of hard links to contents that are stored once.

The worker's root is the directory of all contexts (`model.build.contexts` draws it); symlinks of a
context take its own tree for "/", so they lead neither to the contents nor to other trees.
A content appears among the others when it is whole, by a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from wharfie.formats.tar import Chunk, Kind, Member
from wharfie.jail.errors import invalid, show
from wharfie.jail.names import member_path
from wharfie.jail.tree import O_PATH_DIRECTORY, Tree, opened
from wharfie.jail.unpack import Unpacker
from wharfie.model.archive import Limits

_ROOT_OWNER = (0, 0)
_HELD = 1 << 20
"""Files up to this size are held until it is known whether they are there already."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT = b"draft"
_PREFIX = 2


class Objects:
    """The stored contents."""

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._open: dict[str, int] = {}

    def link_to(self, digest: str, member: Member, parent: int, name: bytes) -> bool:
        """Put a stored content in a tree; False where it has to be made another way.

        Raises:
            FileExistsError: something of this name is there.
        """
        directory, stored = self._place(digest, member)
        try:
            os.link(stored, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == errno.EMLINK:
                return False
            raise
        return True

    def keep(self, digest: str, member: Member, parent: int, name: bytes) -> None:
        """Store the content of a file of a tree; one that is stored already is left alone."""
        directory, stored = self._place(digest, member)
        with suppress(FileExistsError):
            os.link(name, stored, src_dir_fd=parent, dst_dir_fd=directory, follow_symlinks=False)

    def open_any(self, digest: str) -> int | None:
        """A stored content whatever its attributes; the caller closes the descriptor."""
        directory = self._subdirectory(digest)
        wanted = digest[_PREFIX:] + "-"
        with os.scandir(directory) as entries:
            found = next((entry.name for entry in entries if entry.name.startswith(wanted)), None)
        if found is None:
            return None
        try:
            return os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return None

    def block(self, digest: str) -> bytes | None:
        """A stored block of a manifest."""
        try:
            with opened(
                os.fsencode(digest[_PREFIX:]),
                os.O_RDONLY | os.O_NOFOLLOW,
                directory=self._subdirectory(digest),
            ) as fd:
                os.utime(fd)  # used now
                return os.read(fd, os.fstat(fd).st_size)
        except FileNotFoundError:
            return None

    def keep_block(self, digest: str, block: bytes) -> None:
        """Store a block of a manifest."""
        directory = self._subdirectory(digest)
        name = digest[_PREFIX:]
        draft = f"draft-{os.getpid()}-{name}"
        with suppress(FileNotFoundError):  # of a worker that was killed
            os.unlink(draft, dir_fd=directory)
        with opened(os.fsencode(draft), _NEW, directory=directory) as fd:
            _write_all(fd, block)
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)

    def _place(self, digest: str, member: Member) -> tuple[int, str]:
        name = f"{digest[_PREFIX:]}-{member.mode:o}-{member.mtime}"
        return self._subdirectory(digest), name

    def _subdirectory(self, digest: str) -> int:
        name = digest[:_PREFIX]
        fd = self._open.get(name)
        if fd is None:
            try:
                fd = os.open(name, O_PATH_DIRECTORY, dir_fd=self._directory)
            except FileNotFoundError:
                with suppress(FileExistsError):  # another worker was faster
                    os.mkdir(name, 0o700, dir_fd=self._directory)
                fd = os.open(name, O_PATH_DIRECTORY, dir_fd=self._directory)
            fd = self._open[name] = _readable(fd)
        return fd


class Place:
    """Where one context goes: its tree, the stored contents, and the index of its files."""

    def __init__(self, files: int, aside: int, objects: int) -> None:
        self.tree = Tree(root=files)
        self.objects = Objects(objects)
        self.aside = aside
        """Descriptor of a directory beside the tree, where nothing of a stranger's is."""

    def write_index(self, digests: Iterable[tuple[bytes, str]]) -> None:
        """Write down the digest of each file."""
        parts = [digest.encode() + b" " + path + b"\0" for path, digest in digests]
        with opened(b"index", _NEW, directory=self.aside) as fd:
            _write_all(fd, b"".join(parts))


@contextmanager
def open_context(number: int) -> Iterator[Place]:
    """The place of the context of this number, made by the daemon."""
    with ExitStack() as stack:
        fds = []
        for path in (f"/trees/{number}/files", "/objects", f"/trees/{number}"):
            fds.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            stack.callback(os.close, fds[-1])
        yield Place(fds[0], fds[2], fds[1])


class ContextUnpacker(Unpacker):
    """Unpacks an archive into a context; all of it belongs to root."""

    def __init__(self, place: Place, limits: Limits) -> None:
        super().__init__(place.tree, limits, owner=_ROOT_OWNER)
        self._place = place
        self._digests: dict[bytes, str] = {}
        self._symlinks: set[bytes] = set()
        self._hash = hashlib.sha256()
        self._held: list[bytes] | None = None
        self._file_path = b""

    def run(self, chunks: Iterable[bytes]) -> None:
        """Unpack a whole archive, then write the index."""
        super().run(chunks)
        self._place.write_index(self._digests.items())

    def place(self, path: bytes, member: Member) -> None:
        """Put one member at a cleaned path below the base."""
        if member.kind in {Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE}:
            raise invalid(f"{show(path)}: a build context cannot hold devices")
        self._digests.pop(path, None)
        super().place(path, member)
        if member.kind is Kind.SYMLINK:
            self._symlinks.add(path)
        if member.kind is Kind.HARD_LINK:
            digest = self._digests.get(member_path(member.link))
            if digest is not None:
                self._note(path, digest)

    def on_replaced(self, path: bytes, status: os.stat_result, member: Member) -> None:  # noqa: ARG002 - as inherited
        """What stood below a directory that is replaced is gone."""
        if stat.S_ISDIR(status.st_mode):
            below = path + b"/"
            for known in [k for k in self._digests if k.startswith(below)]:
                del self._digests[known]
        elif stat.S_ISLNK(status.st_mode):
            self._digests.clear()  # paths may have led through it

    def _begin_file(self, path: bytes, member: Member) -> None:
        self._file_path = path
        self._member = member
        self._hash = hashlib.sha256()
        self._held = [] if member.size <= _HELD and not member.sparse else None
        if self._held is None:
            super()._begin_file(path, member)

    def _write(self, chunk: Chunk) -> None:
        self._hash.update(chunk.data)
        if self._held is None:
            super()._write(chunk)
            return
        self.size += len(chunk.data)
        if self.size > self._limits.size:
            raise invalid(f"archive exceeds the limit of {self._limits.size} bytes")
        self._held.append(bytes(chunk.data))

    def _finish(self) -> None:
        member, path = self._member, self._file_path
        if member is None:
            return
        digest = self._hash.hexdigest()
        if self._held is not None:
            data, self._held = b"".join(self._held), None
            self.store(path, member, data, digest)
        else:
            super()._finish()
            if not member.sparse:
                self._note(path, digest)
                self._share(path, member, digest)
        self._member = None

    def store(self, path: bytes, member: Member, data: bytes, digest: str) -> None:
        """Put a file whose whole content is at hand."""
        self._note(path, digest)
        if self._linked(path, member, digest):
            return
        self._open_file(path, member)
        _write_all(self._file, data)
        self._close_file()
        self._keep(path, member, digest)

    def _open_file(self, path: bytes, member: Member) -> None:
        super()._begin_file(path, member)

    def _close_file(self) -> None:
        super()._finish()

    def _note(self, path: bytes, digest: str) -> None:
        """Remember a digest, unless the path may lead through a symlink to another file."""
        parts = path.split(b"/")[:-1] if self._symlinks else []
        above = [b"/".join(parts[: n + 1]) for n in range(len(parts))]
        if self._symlinks.isdisjoint(above):
            self._digests[path] = digest

    def _share(self, path: bytes, member: Member, digest: str) -> None:
        """Have a file that was written share its content with those stored."""
        if not _is_plain(member):
            return
        parent, name = self._tree.split(path)
        if self._place.objects.link_to(digest, member, self._place.aside, _DRAFT):
            os.rename(_DRAFT, name, src_dir_fd=self._place.aside, dst_dir_fd=parent)
        else:
            self._keep(path, member, digest)

    def _linked(self, path: bytes, member: Member, digest: str) -> bool:
        if not _is_plain(member) or not member.size:
            return False
        parent, name = self._tree.split(path)
        for _ in range(2):
            try:
                return self._place.objects.link_to(digest, member, parent, name)
            except FileExistsError:
                parent = self._make_room(path, member)
        raise invalid(f"{show(path)}: somebody else keeps making it")

    def _keep(self, path: bytes, member: Member, digest: str) -> None:
        if _is_plain(member) and member.size:
            self._place.objects.keep(digest, member, *self._tree.split(path))


def _is_plain(member: Member) -> bool:
    """Tell whether mode and time are all its attributes, so that it can be shared."""
    return not member.xattrs


def _readable(fd: int) -> int:
    """The same directory, to be listed."""
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    os.close(fd)
    return readable


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
