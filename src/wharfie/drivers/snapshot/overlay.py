"""Overlay mounts, detached: a descriptor is all that exists of them.

Two ways, told apart by a trial at start:

- Linux 6.5 and later: `fsopen` and one `lowerdir+` a layer; any number of layers.
- before: `mount(2)`, whose options must fit into a page. It runs in a thread with a mount
  namespace of its own that stands in the snapshots directory, so that options can say `12/diff`
  (some 400 layers fit) and nobody ever sees the attached mount; a detached copy of it is kept.

Options: no index (an upper directory may be mounted again after a crash), and no metacopy and
no redirects, which would make an upper directory meaningless without the layers below.

Source: the kernel's overlayfs documentation; fsopen(2), mount(2), open_tree(2).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from msgspec import Struct

from wharfie.kernel import mounts
from wharfie.kernel.mount_clones import map_ids
from wharfie.kernel.privileges import become_for_files
from wharfie.model.errors import Internal
from wharfie.model.remapping import Remapping

T = TypeVar("T")

_STRING_LIMIT = 255
"""Bytes of an fsconfig string."""
_OPTIONS = (("index", "off"), ("metacopy", "off"), ("redirect_dir", "nofollow"))
EMPTY = "empty"
"""Name of an empty directory beside the snapshots: a root file system stands on something."""


class Stack(Struct, frozen=True, kw_only=True):
    """What to stack, as paths relative to the snapshots directory.

    Attributes:
        lower: layers, top first.
        upper: writable directory, "" for a read-only mount.
        work: overlay's work directory, beside `upper`.
        read_only: refuse writing although there is an upper directory.
        label: SELinux label of everything in it, "" for each file's own.
    """

    lower: Sequence[str]
    upper: str = ""
    work: str = ""
    read_only: bool = False
    label: str = ""


class Mounter:
    """Makes detached overlay mounts of directories below one directory."""

    def __init__(
        self,
        directory: str,
        tmp: str,
        *,
        legacy: bool | None = None,
        remapping: Remapping | None = None,
    ) -> None:
        """Begin.

        Args:
            directory: absolute path of the snapshots directory.
            tmp: directory for the mount point of the old way, on the same machine only.
            legacy: force the old way (True) or the new one (False); None tries.
            remapping: of the IDs in all mounts, None for none.
        """
        self._remapping = remapping
        self._directory = directory
        self._tmp = tmp
        self._fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._legacy = not self._knows_lowerdir_plus() if legacy is None else legacy
        self._thread: ThreadPoolExecutor | None = None

    @property
    def is_legacy(self) -> bool:
        """Tell whether mount(2) is used."""
        return self._legacy

    async def mount(self, stack: Stack) -> int:
        """Mount detached; the caller closes the descriptor.

        Raises:
            Internal: the kernel refused.
        """
        try:
            if self._remapping is not None:
                return await self._in_own_thread(lambda: self._mount_mapped(stack))
            if self._legacy:
                return await self._in_own_thread(lambda: self._mount_old(stack))
            return await asyncio.to_thread(self._mount_new, stack)
        except OSError as error:
            raise Internal(f"cannot mount overlay: {error.strerror}") from error

    def close(self) -> None:
        """Let go; mounts made live on."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            if self._remapping is not None and self._directory.startswith(self._tmp):
                os.rmdir(self._directory)  # a place nobody but the thread saw used
        os.close(self._fd)

    def _knows_lowerdir_plus(self) -> bool:
        lower = [EMPTY, os.path.relpath(self._tmp, self._directory)]
        try:
            os.close(self._mount_new(Stack(lower=lower)))
        except OSError:
            return False
        return True

    def _mount_new(self, stack: Stack) -> int:
        context = mounts.fsopen("overlay")
        try:
            mounts.fsconfig_string(context, "source", "overlay")
            for name in stack.lower:
                mounts.fsconfig_string(context, "lowerdir+", self._short(name))
            if stack.upper:
                mounts.fsconfig_string(context, "upperdir", self._short(stack.upper))
                mounts.fsconfig_string(context, "workdir", self._short(stack.work))
            for key, value in _OPTIONS:
                mounts.fsconfig_string(context, key, value)
            if stack.label:
                mounts.fsconfig_string(context, "context", stack.label)
            mounts.fsconfig_create(context)
            read_only = stack.read_only or not stack.upper
            return mounts.fsmount(context, mounts.MOUNT_ATTR_RDONLY if read_only else 0)
        finally:
            os.close(context)

    def _short(self, name: str) -> str:
        path = os.path.join(self._directory, name)
        if len(os.fsencode(path)) <= _STRING_LIMIT and not set(path) & set("\\:,"):
            return path
        return f"/proc/self/fd/{self._fd}/{name}"

    def _mount_mapped(self, stack: Stack) -> int:
        """In the thread that stands in the ID-mapped copy of the directory."""
        return self._mount_old(stack) if self._legacy else self._mount_new(stack)

    def _mount_old(self, stack: Stack) -> int:
        options = [f"{key}={value}" for key, value in _OPTIONS]
        if stack.label:
            options.append(f'context="{stack.label}"')
        options.append("lowerdir=" + ":".join(stack.lower))
        if stack.upper:
            options += [f"upperdir={stack.upper}", f"workdir={stack.work}"]
        data = ",".join(options)
        if len(data) >= os.sysconf("SC_PAGESIZE"):
            raise Internal(f"this kernel cannot stack {len(stack.lower)} layers; Linux 6.5 can")
        target = tempfile.mkdtemp(prefix="mount-", dir=self._tmp)
        try:
            mounts.mount("overlay", target, "overlay", 0, data)
            try:
                read_only = stack.read_only or not stack.upper
                return mounts.clone_tree(target, read_only=read_only)
            finally:
                mounts.umount(target, mounts.MNT_DETACH)
        finally:
            os.rmdir(target)

    async def _in_own_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(
                max_workers=1, thread_name_prefix="overlay-mount", initializer=self._enter
            )
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _enter(self) -> None:
        """Give this thread a mount namespace and a working directory of its own."""
        assert threading.current_thread() is not threading.main_thread()
        mounts.unshare(mounts.CLONE_NEWNS)
        # Slave, not private: what the host unmounts must not stay busy because of us.
        mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_SLAVE)
        if self._remapping is not None:
            self._directory = self._attach_mapped(self._remapping)
            # Long names are spelled through this descriptor, so it has to lead there, too.
            plain, self._fd = self._fd, os.open(self._directory, os.O_PATH | os.O_CLOEXEC)
            os.close(plain)
            # Overlay makes files as whoever mounted it, and the host's root has no ID in there.
            become_for_files(*self._remapping.root)
        os.chdir(self._directory)

    def _attach_mapped(self, remapping: Remapping) -> str:
        """Attach an ID-mapped copy of the directory, for this thread alone to see.

        Overlay takes layers by path, and a mount that is nowhere has none.
        """
        place = tempfile.mkdtemp(prefix="mapped-", dir=self._tmp)
        tree = mounts.clone_tree(self._directory)
        try:
            map_ids(tree, remapping.namespace)
            mounts.move_mount(tree, "", mounts.AT_FDCWD, place)
        finally:
            os.close(tree)
        return place
