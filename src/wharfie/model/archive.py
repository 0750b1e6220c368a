"""Archives in and out of file systems, done where a hostile one can do no harm.

The work is done by jail workers: chrooted into the target, single-threaded, few capabilities,
bounded size. The engine sees streams and values only.

Source: behaviours 122; OCI image spec "layer" (whiteouts).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import Protocol

from msgspec import Struct, field

from wharfie.model.ids import Digest


class PathStat(Struct, frozen=True, kw_only=True):
    """What `HEAD /containers/{id}/archive` tells.

    Attributes:
        mode: Go's os.FileMode bits (directory 1<<31, symlink 1<<27, ...) and permissions.
        mtime: RFC 3339 with nanoseconds.
    """

    name: str
    size: int
    mode: int
    mtime: str
    link_target: str = field(default="", name="linkTarget")


class RootMount(Struct, frozen=True, kw_only=True):
    """A mount a worker lays over the root before it works (a stopped container's volumes)."""

    source: str
    destination: str
    read_only: bool = False


class Root(Struct, frozen=True, kw_only=True):
    """A root directory to work in.

    Attributes:
        descriptor: an open directory: a detached mount, or `/proc/<pid>/root`.
        mounts: laid over it; only for detached mounts.
        read_only: refuse to write (the container's root is read-only).
    """

    descriptor: int
    mounts: Sequence[RootMount] = ()
    read_only: bool = False


class Unpacked(Struct, frozen=True):
    """Result of unpacking a layer.

    Attributes:
        diff_id: digest of the uncompressed tar.
        size: bytes of files.
        entries: members of the archive.
        length: bytes of the uncompressed tar.
    """

    diff_id: Digest
    size: int
    entries: int
    length: int = 0


class Limits(Struct, frozen=True):
    """Bounds against bombs: bytes written, entries, and output bytes per input byte."""

    size: int = 1 << 40
    entries: int = 10_000_000
    ratio: int = 2000


class Archiver(Protocol):
    """Unpacks and packs, each call in a worker of its own."""

    async def unpack_layer(
        self, blob: int, directory: str, limits: Limits | None = None
    ) -> Unpacked:
        """Unpack a layer blob (tar, gzip or zstd, told by its first bytes) into an overlay layer.

        Whiteouts become overlay whiteouts, opaque markers the overlay attribute.

        Args:
            blob: descriptor to read from; the caller closes it.
            directory: absolute path of an empty directory.
            limits: None for the configured ones.

        Raises:
            InvalidArgument: a truncated, malformed, escaping or oversized archive; the
                directory's content is then undefined and to be dropped.
        """

    async def unpack_growing(
        self,
        blob: int,
        directory: str,
        *,
        size: int,
        growth: AsyncIterator[int],
        told: Callable[[int], None] | None = None,
    ) -> Unpacked:
        """As `unpack_layer`, of a file that is still written, from its beginning to its end.

        A refused archive ends the call, whatever is still to come.

        Args:
            blob: its descriptor.
            directory: as there.
            size: bytes of the whole.
            growth: tells, again and again, how many bytes were added to what is there from the
                beginning on; no others are read.
            told: called with the number of bytes read so far, a few times a second.
        """

    def pack_layer(self, directory: str) -> AsyncIterator[bytes]:
        """An overlay layer directory as an uncompressed OCI layer tar, reproducible."""

    async def copy_layer(
        self, source: str, directory: str, *, leave_out: Sequence[str] = ()
    ) -> Unpacked:
        """Copy an overlay layer directory, by packing and unpacking at once.

        Args:
            source: absolute path of the layer; it may change meanwhile.
            directory: absolute path of an empty directory.
            leave_out: absolute paths inside that are not copied, directories only where they are
                empty; nor is a directory above them that holds nothing else.
        """

    def pack_tree(self, root: Root) -> AsyncIterator[bytes]:
        """A whole root file system as a tar (`export`); other mounts are left out.

        This stream and that of `copy_out` may be a `Piped`.
        """

    async def stat(self, root: Root, path: str) -> PathStat:
        """Stat a path inside; its last symlink is not followed.

        Raises:
            NotFound: nothing there.
        """

    async def copy_out(self, root: Root, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A path inside as a tar, its entries named from the path's last component."""

    async def copy_in(
        self,
        root: Root,
        path: str,
        source: AsyncIterable[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Unpack a tar (plain, gzip, bzip2, xz or zstd) into a directory inside.

        Args:
            root: where.
            path: the directory, its symlinks followed inside the root.
            source: the archive; a `Pourable` one passes without being copied.
            no_overwrite_dir_non_dir: no directory is replaced by a file, nor a file by a
                directory.
            owner: uid and gid all members get (`copyUIDGID`: the container's user); None takes
                the archive's.

        Raises:
            NotFound: no such directory.
            InvalidArgument: not a directory ("extraction point is not a directory"), bad archive.
            Forbidden: read-only.
        """
