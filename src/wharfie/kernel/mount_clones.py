"""Detached copies of mounted trees: of a directory's inside, and of another process's mounts.

A copy is a descriptor (see `mounts`); it is attached elsewhere by `move_mount` and vanishes with
its last descriptor.

Source: open_tree(2), openat2(2), setns(2), mount_namespaces(7).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from wharfie.kernel import mounts
from wharfie.kernel.openat2 import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2

_CLONE = mounts.OPEN_TREE_CLONE | mounts.OPEN_TREE_CLOEXEC | mounts.AT_EMPTY_PATH


def clone_open(fd: int, *, recursive: bool = True) -> int:
    """A copy of what is mounted at an open file or directory, in the same peer group.

    Unlike `mounts.clone_tree` it goes on sharing mount events with the original where that does.
    """
    return mounts.open_tree(fd, "", _CLONE | (mounts.AT_RECURSIVE if recursive else 0))


def clone_below(tree: int, found: int) -> int:
    """A copy of a file or directory inside of a detached mount, for kernels before Linux 6.15.

    They copy only what is attached: so the mount is attached, in a mount namespace that nobody
    sees and that is gone after. It cannot be attached anywhere else any more.

    Args:
        tree: the detached mount.
        found: descriptor of what is inside of it.
    """

    def attach_and_clone() -> int:
        mounts.unshare(mounts.CLONE_NEWNS)
        mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_SLAVE)
        # Over the root of this thread, by which it looks for nothing any more.
        mounts.move_mount(tree, "", mounts.AT_FDCWD, "/")
        return clone_open(found)

    return _in_fresh_thread(attach_and_clone)


def map_ids(tree: int, userns: int) -> None:
    """Give a detached copy the maps of a user namespace; it must not be seen anywhere yet."""
    mounts.mount_setattr(tree, attr_set=mounts.MOUNT_ATTR_IDMAP, userns=userns)


def clone_of_process(pid: int, path: str) -> int:
    """A copy of what a process has mounted at an absolute path; no symlink is followed.

    Raises:
        OSError: the process or the path is gone, or a part of the path is a symlink.
    """
    return _in_mounts_of(pid, lambda: _clone_path(path))


def _clone_path(path: str) -> int:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refused = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
        found = openat2(root, path.lstrip("/"), os.O_PATH, refused)
    finally:
        os.close(root)
    try:
        return clone_open(found)
    finally:
        os.close(found)


def _in_mounts_of(pid: int, action: Callable[[], int]) -> int:
    """Run `action` in a fresh thread inside a process's mount namespace; blocks until done."""
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def enter_and_act() -> int:
        # A thread that shares its root directory with others may not change namespaces.
        mounts.unshare(mounts.CLONE_FS)
        mounts.setns(namespace, mounts.CLONE_NEWNS)
        return action()

    try:
        return _in_fresh_thread(enter_and_act)
    finally:
        os.close(namespace)


def _in_fresh_thread(action: Callable[[], int]) -> int:
    results: list[int] = []
    failures: list[OSError] = []

    def body() -> None:
        try:
            results.append(action())
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=body, name="mount-clone", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
