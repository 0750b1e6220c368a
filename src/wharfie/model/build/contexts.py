"""Build contexts on this host: received once, each file stored once, held while a build runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from wharfie.formats.digest import Digest
from wharfie.model.archive import Root


class ContextDialog(Protocol):
    """The other end of a context told as a manifest (see `formats.session.manifest`)."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """What the client sends, in any chunking."""

    async def tell(self, message: bytes) -> None:
        """Tell the client what is lacking."""


class ContextWorker(Protocol):
    """Fills trees below a directory of contexts, in a jail.

    <root>/objects/<2 hex>/<62 hex>-<mode>-<mtime>   contents, by digest and attributes
    <root>/trees/<number>/files                      a context: hard links to those
    <root>/trees/<number>/index                      digest and path of each file
    """

    async def unpack_context(self, root: Root, number: int, source: AsyncIterator[bytes]) -> int:
        """Unpack a tar (plain, gzip, bzip2, xz or zstd) into a tree; returns its bytes.

        Raises:
            InvalidArgument: damaged, escaping, too large.
        """

    async def assemble_context(self, root: Root, number: int, dialog: ContextDialog) -> int:
        """Make a tree of a manifest, asking for what is not there; returns its bytes.

        Raises:
            InvalidArgument: malformed, or contents that are not what the manifest says.
        """


class HeldContext(Protocol):
    """A received context; a `ContextTree` with an end.

    Its files are hard links into the store, and shared by equal files of one context: they are
    to be copied, never changed, moved or linked to, and their link count says nothing. All belong
    to root.
    """

    @property
    def directory(self) -> str:
        """Absolute path of its files. Hostile: only walked fd-relative or in a jail worker."""

    @property
    def size(self) -> int:
        """Bytes of its files."""

    @property
    def index(self) -> str:
        """Absolute path of a file that tells the digests of files, "" for none.

        Each is the hex digits of a SHA-256, a space, a path and NUL.
        """

    def file_digest(self, path: str) -> Digest | None:
        """Digest of a regular file's bytes if it is known already, else None."""

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """A regular file inside, symlinks followed inside; None where there is none."""

    async def close(self) -> None:
        """Let go of it: it is deleted; idempotent."""


class ContextStore(Protocol):
    """Receives contexts and keeps what the next ones will need again."""

    async def receive(self, source: AsyncIterator[bytes]) -> HeldContext:
        """A tar as it comes; see `ContextWorker.unpack_context`."""

    async def assemble(self, dialog: ContextDialog) -> HeldContext:
        """A manifest and what is lacking of it; see `ContextWorker.assemble_context`."""

    async def make(self, files: dict[str, bytes]) -> HeldContext:
        """A context of a few small files (a Dockerfile alone)."""

    async def usage(self) -> tuple[int, int]:
        """Bytes of everything stored, and of what no context holds just now."""

    async def prune(self, *, keep: int, until: Callable[[float], bool] | None = None) -> int:
        """Delete what no context holds, least lately used first; returns bytes freed.

        Args:
            keep: bytes that may stay.
            until: only what was last used at a time (seconds since the epoch) it says yes to.
        """
