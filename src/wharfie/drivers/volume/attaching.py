"""Volumes as detached mounts: made for one start of a container, held by nobody but it.

A bound directory or a share is mounted anew each time; memory, which lives only while it is
mounted, is taken from a container that has it. So nothing has to be unmounted, whatever way a
daemon or a container ends.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Sequence

from wharfie.drivers.volume.options import MountOptions
from wharfie.kernel import mounts
from wharfie.kernel.mount_clones import clone_below, clone_open
from wharfie.kernel.openat2 import open_in_root
from wharfie.model.errors import Forbidden, Internal, InvalidArgument, NotFound
from wharfie.model.volume import Holder

_NETWORK_TYPES = ("nfs", "nfs4", "cifs")


def mount_volume(name: str, options: MountOptions, holders: Sequence[Holder]) -> int:
    """A descriptor of the volume's mount; the caller closes it. Blocks, a share for long.

    Raises:
        Internal: in Docker's words.
    """
    try:
        if options.type == "bind":
            return _bind(options)
        if options.type == "tmpfs" and holders:
            return _shared(holders)
        return _new(options)
    except OSError as error:
        raise Internal(
            f"failed to populate volume: error while mounting volume '{name}': failed to mount "
            f"local volume: mount {options.device}: {(error.strerror or str(error)).lower()}"
        ) from error


def mount_below(root: int, subpath: str) -> int:
    """A descriptor of what is below a mount or directory; no link leads out. The caller closes.

    Raises:
        InvalidArgument, NotFound, Forbidden: a path that is no part of the volume.
    """
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise InvalidArgument(f"subpath must be a relative path within the volume: {subpath!r}")
    try:
        cloned = _clone_below(root, subpath)
        mounts.mount_setattr(
            cloned, flags=mounts.AT_EMPTY_PATH | mounts.AT_RECURSIVE, propagation=mounts.MS_PRIVATE
        )
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NotFound(f"cannot access path {subpath}: no such file or directory") from None
        if error.errno == errno.ELOOP:
            raise Forbidden(f"subpath {subpath} escapes the volume") from None
        raise Internal(f"cannot mount subpath {subpath}: {error.strerror or error}") from error
    return cloned


def _clone_below(root: int, subpath: str) -> int:
    place = open_in_root(root, subpath, os.O_PATH | os.O_CLOEXEC)
    try:
        return clone_open(place)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return clone_below(root, place)  # before Linux 6.15
    finally:
        os.close(place)


def _bind(options: MountOptions) -> int:
    descriptor = mounts.clone_tree(options.device, recursive=options.recursive)
    return _with_attributes(descriptor, options)


def _with_attributes(descriptor: int, options: MountOptions) -> int:
    if options.attributes:
        try:
            mounts.mount_setattr(descriptor, attr_set=options.attributes)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def _new(options: MountOptions) -> int:
    context = mounts.fsopen(options.type)
    try:
        mounts.fsconfig_string(context, "source", options.device)
        for word in _resolved(options):
            key, has_value, value = word.partition("=")
            if has_value:
                mounts.fsconfig_string(context, key, value)
            else:
                mounts.fsconfig_flag(context, key)
        if options.attributes & mounts.MOUNT_ATTR_RDONLY:
            mounts.fsconfig_flag(context, "ro")
        mounts.fsconfig_create(context)
        return mounts.fsmount(context, options.attributes)
    except OSError as error:
        told = mounts.read_context_log(context)
        if told:
            raise OSError(error.errno, "; ".join(told)) from error
        raise
    finally:
        os.close(context)


def _resolved(options: MountOptions) -> list[str]:
    """The kernel knows no names: a share's server is looked up here."""
    if options.type not in _NETWORK_TYPES:
        return options.words
    words = []
    for word in options.words:
        key, _, value = word.partition("=")
        if key == "addr":
            found = socket.getaddrinfo(value, None, type=socket.SOCK_STREAM)
            words.append(f"addr={found[0][4][0]}")
        else:
            words.append(word)
    return words


def _shared(holders: Sequence[Holder]) -> int:
    failure: OSError | None = None
    for holder in holders:
        try:
            return _clone_of(holder)
        except OSError as error:  # it is just ending
            failure = error
    assert failure is not None
    raise failure


def _clone_of(holder: Holder) -> int:
    """A clone of a mount in another mount namespace: a thread goes there."""
    results: list[int] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(_clone_there(holder))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=body, name="volume", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _clone_there(holder: Holder) -> int:
    namespace = os.open(f"/proc/{holder.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        mounts.unshare(mounts.CLONE_FS)
        mounts.setns(namespace, mounts.CLONE_NEWNS)
    finally:
        os.close(namespace)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = open_in_root(root, holder.destination, os.O_PATH | os.O_CLOEXEC)
    finally:
        os.close(root)
    flags = mounts.OPEN_TREE_CLONE | mounts.OPEN_TREE_CLOEXEC | mounts.AT_EMPTY_PATH
    try:
        cloned = mounts.open_tree(place, "", flags)
    finally:
        os.close(place)
    try:
        mounts.mount_setattr(
            cloned, attr_clear=mounts.MOUNT_ATTR_RDONLY, propagation=mounts.MS_PRIVATE
        )
    except OSError:
        os.close(cloned)
        raise
    return cloned
