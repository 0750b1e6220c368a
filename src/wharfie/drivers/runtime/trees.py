"""Trees that are mounted by descriptor instead of by path. See `model.runtime.MountTrees`."""

from __future__ import annotations

import asyncio
import errno
import os

from wharfie.kernel.mount_clones import clone_below, clone_of_process, clone_open, map_ids
from wharfie.kernel.mountinfo import propagation_of
from wharfie.kernel.openat2 import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, openat2
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.remapping import Remapping


class KernelTrees:
    """The port by the kernel's new mount calls.

    Args:
        remapping: what `remapped` trees get.
    """

    def __init__(self, remapping: Remapping | None = None) -> None:
        self._remapping = remapping

    async def below(
        self,
        root: str | int,
        subpath: str = "",
        *,
        recursive: bool = True,
        remapped: bool = False,
    ) -> int:
        """A copy of what lies at `subpath` below a directory; see the port."""
        tree = await asyncio.to_thread(_below, root, subpath, recursive)
        if remapped and self._remapping is not None:
            try:
                await asyncio.to_thread(map_ids, tree, self._remapping.namespace)
            except OSError as error:
                os.close(tree)
                reason = (error.strerror or str(error)).lower()
                raise InvalidArgument(
                    f"the file system of {root} cannot be mounted with mapped IDs: {reason}"
                ) from None
        return tree

    async def of_process(self, pid: int, path: str) -> int:
        """A copy of what a process has mounted at a path; see the port."""
        try:
            return await asyncio.to_thread(clone_of_process, pid, path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Internal(f"cannot reach {path} of process {pid}: {reason}") from None

    async def propagation(self, path: str) -> tuple[str, str]:
        """The mount point a path lies on and how it propagates; see the port."""
        return await asyncio.to_thread(propagation_of, path)


def _below(root: str | int, subpath: str, recursive: bool) -> int:
    directory = root if isinstance(root, int) else _open(root)
    try:
        if not subpath and isinstance(root, int):
            return os.dup(root)  # detached already
        if not subpath:
            return clone_open(directory, recursive=recursive)
        found = _find(directory, subpath)
        try:
            return clone_open(found, recursive=recursive)
        except OSError as error:
            if error.errno != errno.EINVAL or not isinstance(root, int):
                raise Internal(f"cannot mount {subpath}: {error.strerror}") from None
            return clone_below(root, found)
        finally:
            os.close(found)
    finally:
        if not isinstance(root, int):
            os.close(directory)


def _find(directory: int, subpath: str) -> int:
    refused = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
    try:
        return openat2(directory, subpath, os.O_PATH, refused)
    except FileNotFoundError:
        raise NotFound(f"cannot access path {subpath}: no such file or directory") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"cannot access path {subpath}: {reason}") from None


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file or directory") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f'error mounting "{path}": stat {path}: {reason}') from None
