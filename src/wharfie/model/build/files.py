"""Work on trees of files for builds: checksums, copies, finished layers.

Contexts come from clients and root file systems from images, so all of it is done by jail
workers; the solver sees descriptors and values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.model.archive import Unpacked
from wharfie.model.ids import Digest


class Selection(Struct, frozen=True, kw_only=True):
    """Which files of a tree; see `model.build.graph.CopyAction`.

    Attributes:
        exclude: patterns relative to each directory that is a source.
        ignore: patterns relative to the root: what they match counts as missing (.dockerignore).
    """

    sources: Sequence[str]
    exclude: Sequence[str] = ()
    ignore: Sequence[str] = ()
    follow: bool = True
    parents: bool = False
    allow_missing: bool = False


class CopyPlan(Struct, frozen=True, kw_only=True):
    """What is copied, where to, and how; see `model.build.graph.CopyAction`.

    Attributes:
        destination: absolute path; a trailing "/" means a directory.
        owner: user and group of all that is copied or made, None keeps.
        root_owned: what is copied belongs to root where `owner` does not say otherwise.
        mode: octal or symbolic, "" keeps.
        hard_links: files that are one stay one.
        is_layer: the source is an overlay layer: its whiteouts delete, its files replace.
    """

    selection: Selection
    destination: str
    owner: tuple[int, int] | None = None
    root_owned: bool = False
    mode: str = ""
    contents: bool = True
    unpack: bool = False
    hard_links: bool = True
    is_layer: bool = False


class MountPoint(Struct, frozen=True):
    """A place something is mounted on, or a directory above one, as it was before.

    Attributes:
        path: absolute.
        mode: its type and permissions; 0 where nothing was there.
    """

    path: str
    mode: int = 0
    uid: int = 0
    gid: int = 0


class TreeWorker(Protocol):
    """Works on hostile trees. Roots are descriptors of directories, which stay open.

    All raise InvalidArgument for what the Dockerfile or the tree is to blame for.
    """

    async def checksum(
        self,
        root: int,
        selection: Selection,
        *,
        root_owned: bool = False,
        index: str = "",
    ) -> Digest:
        """Sum up chosen files: names, modes, owners, sizes, links, attributes, bytes; no times.

        Args:
            root: of the tree.
            selection: which.
            root_owned: owners do not count.
            index: of files' bytes that need not be read; see `ContextTree.index`.

        Raises:
            NotFound: nothing is there; the message is the path.
        """

    async def copy(self, source: int, target: int, plan: CopyPlan, *, layer: str = "") -> None:
        """Copy chosen files of one tree into another.

        Args:
            source: the one.
            target: the other.
            plan: what, where, how.
            layer: absolute path of the directory that the other's mount writes to, which may
                then be written directly, and the mount is to be used no more; "" for none.

        Raises:
            NotFound: nothing is there; the message is the path.
        """

    async def make_directory(
        self, root: int, path: str, *, mode: int, owner: tuple[int, int]
    ) -> None:
        """Make a directory and what is missing above it; one that is there is left alone."""

    async def write_file(
        self, root: int, path: str, data: bytes, *, mode: str, owner: tuple[int, int]
    ) -> None:
        """Write a file, in the place of one that is there."""

    async def finish_layer(
        self, directory: str, *, mount_points: Sequence[MountPoint] = (), epoch: int | None = None
    ) -> Unpacked:
        """Remove mount points the runtime made, cut times, tell digest and size of a layer.

        Args:
            directory: absolute path of an overlay layer directory that nobody writes any more.
            mount_points: those that may be empty leftovers, and the directories above them.
            epoch: seconds; later times become this one. None leaves all.
        """
