"""Unpacking a layer into an overlay layer directory: whiteouts get overlay's own form.

A whiteout concerns the layers below only (OCI image spec), whatever its place in the archive:
what the same layer brings under that name stays, and if that is a directory it becomes opaque.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from wharfie.formats.tar import Kind, Member
from wharfie.formats.tar.whiteout import Marker, classify, is_reserved
from wharfie.jail.errors import invalid, show
from wharfie.jail.protocol import MAX_DESCRIPTORS
from wharfie.jail.tree import O_READ_DIRECTORY, Tree, is_whiteout, opened
from wharfie.jail.unpack import Unpacker, times_of
from wharfie.model.archive import Limits


class LayerUnpacker(Unpacker):
    """Unpacks one layer; directories to be made opaque are handed over as descriptors."""

    def __init__(
        self, tree: Tree, limits: Limits, mark_opaque: Callable[[list[int]], None]
    ) -> None:
        super().__init__(tree, limits)
        self._mark_opaque = mark_opaque
        self._marked: set[bytes] = set()
        self._pending: list[int] = []
        self._over_whiteout: bytes | None = None

    def finish(self) -> None:
        """Hand over what is left; once, after `run`."""
        self._flush()

    def place(self, path: bytes, member: Member) -> None:
        """A member, or the whiteout its name stands for."""
        if path.startswith(b".wh.") or b"/.wh." in path:
            parent, _, name = path.rpartition(b"/")
            if any(is_reserved(part) for part in parent.split(b"/")):
                raise invalid(f"{show(path)}: inside of a whiteout")
            marker, hidden = classify(name)
            if marker is Marker.OPAQUE:
                self._make_opaque(parent)
            elif marker is Marker.HIDDEN:
                self._hide(parent + b"/" + hidden if parent else hidden, member)
            return
        super().place(path, member)
        if member.kind is Kind.DIRECTORY and self._over_whiteout == path:
            self._make_opaque(path)
        self._over_whiteout = None

    def on_root(self, member: Member) -> None:
        """The layer brings owner and mode of the root directory."""
        with opened(b".", O_READ_DIRECTORY, directory=self._tree.directory(b"")) as fd:
            self._set_metadata(fd, member)
        self._directory_times[b""] = times_of(member)

    def on_replaced(self, path: bytes, status: os.stat_result, member: Member) -> None:
        """Remember that a directory takes a whiteout's place."""
        if is_whiteout(status) and member.kind is Kind.DIRECTORY:
            self._over_whiteout = path
        if stat.S_ISDIR(status.st_mode):
            self._marked.clear()  # marking twice is harmless

    def _hide(self, path: bytes, member: Member) -> None:
        parent, name = self._tree.split(path)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                self._make_opaque(path)
            return
        os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        # So that the layer packs to the same bytes again.
        os.utime(name, ns=times_of(member), dir_fd=parent, follow_symlinks=False)

    def _make_opaque(self, path: bytes) -> None:
        if path in self._marked:
            return
        self._marked.add(path)
        parent = self._tree.directory(path)
        self._pending.append(os.open(b".", O_READ_DIRECTORY, dir_fd=parent))
        if len(self._pending) == MAX_DESCRIPTORS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._mark_opaque(self._pending)
            for fd in self._pending:
                os.close(fd)
            self._pending.clear()
