"""Shutting a worker in, in the order that matters.

    die with the zygote → clone the root without device access → private mount namespace and the
    mounts over the root, if there are any → chroot → forget where modules are imported from →
    limits → capabilities → no new privileges → system call filter

Modules must never be imported after the chroot: the search path would be looked up in a hostile
file system (CVE-2019-14271 was that, with libnss).
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable, Sequence

from wharfie.jail import container_path
from wharfie.jail.errors import JobError, invalid
from wharfie.jail.protocol import (
    AssembleContext,
    CopyIn,
    Failure,
    Job,
    UnpackContext,
    UnpackLayer,
)
from wharfie.kernel import mounts, openat2, privileges
from wharfie.model.archive import RootMount

_MAX_FILES = 4096
_O_PATH = os.O_PATH | os.O_CLOEXEC

# A worker opens, reads and writes files and makes threads. It has no business with any of these.
_DENIED_X86_64 = (
    *(41, 42, 43, 49, 50, 53, 288),  # socket connect accept bind listen socketpair accept4
    *(57, 58, 59, 322),  # fork vfork execve execveat
    *(101, 310, 311, 62, 200, 129, 297, 424, 434, 438),  # ptrace process_vm_* *kill sigqueue pidfd
    *(155, 161, 165, 166, 272, 308),  # pivot_root chroot mount umount2 unshare setns
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree … mount_setattr
    *(246, 320, 175, 176, 313, 169, 167, 168),  # kexec, modules, reboot, swap
    *(248, 249, 250, 298, 321, 323, 425, 426, 427),  # keys perf bpf userfaultfd io_uring
    *(303, 304, 163, 164, 227, 305, 170, 171, 172, 173),  # handles acct clocks names ports
)
_DENIED_GENERIC = (
    *(198, 199, 200, 201, 202, 203, 242, 221, 281),
    *(117, 270, 271, 129, 130, 138, 240, 424, 434, 438),
    *(41, 51, 39, 40, 97, 268),
    *(428, 429, 430, 431, 432, 433, 442),
    *(104, 294, 105, 106, 273, 142, 224, 225),
    *(217, 218, 219, 241, 280, 282, 425, 426, 427),
    *(264, 265, 89, 170, 112, 266, 161, 162),
)


class Confinement:
    """What has to be known before the root is changed; made once, in the zygote."""

    def __init__(self) -> None:
        self._last_capability = privileges.last_capability()
        denied = _DENIED_X86_64 if os.uname().machine == "x86_64" else _DENIED_GENERIC
        self._filter = privileges.deny_filter(denied)

    def enter(self, root: int, job: Job, capabilities: Iterable[int]) -> None:
        """Make `root` the root directory and give everything else up.

        Raises:
            JobError: a mount's source or target is not there.
            OSError: the kernel refused; the worker must not go on.
        """
        _enter_root(root, job.mounts)
        os.umask(0)
        _forget_modules()
        _limit(job)
        privileges.set_undumpable()
        privileges.keep_capabilities(capabilities, self._last_capability)
        privileges.set_no_new_privileges()
        privileges.install_filter(self._filter)


def _enter_root(root: int, over: Sequence[RootMount]) -> None:
    jail = _without_devices(root)
    if over:
        sources = [_open_source(mount) for mount in over]
        mounts.unshare(mounts.CLONE_NEWNS)
        mounts.make_private()
        mounts.move_mount(jail, "", mounts.AT_FDCWD, "/")
    else:
        sources = []
    os.fchdir(jail)
    os.chroot(".")
    for mount, source in zip(over, sources, strict=True):
        _lay_over(jail, mount, source)
    os.chdir("/")


def _without_devices(root: int) -> int:
    """A private view of the root through which no device opens; else the root itself.

    Roots of other mount namespaces (a running container's) cannot be cloned, and detached mounts
    only since Linux 6.15; those are used as they are.
    """
    flags = mounts.OPEN_TREE_CLONE | mounts.OPEN_TREE_CLOEXEC | mounts.AT_EMPTY_PATH
    try:
        clone = mounts.open_tree(root, "", flags)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EPERM}:
            raise
        return root
    attributes = mounts.MOUNT_ATTR_NODEV | mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NOEXEC
    # A clone of a shared mount is its peer: what is laid over it would appear on the host.
    mounts.mount_setattr(clone, attr_set=attributes, propagation=mounts.MS_PRIVATE)
    return clone


def _open_source(mount: RootMount) -> int:
    try:
        return mounts.clone_tree(mount.source, recursive=True, read_only=mount.read_only)
    except OSError as error:
        text = os.strerror(error.errno or errno.EIO).lower()
        raise JobError(Failure.INTERNAL, f"mount source {mount.source}: {text}") from error


def _lay_over(root: int, mount: RootMount, source: int) -> None:
    """Attach a volume; we are inside the chroot already, and no magic link is followed."""
    path = os.fsencode(mount.destination)
    is_directory = stat.S_ISDIR(os.fstat(source).st_mode)
    try:
        target = openat2.open_in_root(root, path, _O_PATH)
    except FileNotFoundError:
        path = container_path.follow(root, path).strip(b"/")
        try:
            _make_target(root, path, directory=is_directory)
        except OSError as error:
            if error.errno == errno.EROFS:
                os.close(source)
                return  # nothing can be mounted there; paths below are not found, others work
            raise
        target = openat2.open_in_root(root, path, _O_PATH)
    if stat.S_ISDIR(os.fstat(target).st_mode) != is_directory:
        raise invalid(f"{mount.destination}: not a directory")
    flags = mounts.MOVE_MOUNT_F_EMPTY_PATH | mounts.MOVE_MOUNT_T_EMPTY_PATH
    mounts.move_mount(source, "", target, "", flags)
    os.close(target)
    os.close(source)


def _make_target(root: int, path: bytes, *, directory: bool) -> None:
    """Make a mount point that is missing, as Docker does when it mounts the container."""
    parent, name = os.path.split(path)
    if parent:
        try:
            above = openat2.open_in_root(root, parent, _O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            _make_target(root, parent, directory=True)
            above = openat2.open_in_root(root, parent, _O_PATH | os.O_DIRECTORY)
    else:
        above = os.dup(root)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=above)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o755, dir_fd=above))
    finally:
        os.close(above)


def _forget_modules() -> None:
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path.clear()


def _limit(job: Job) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, wanted in (
        (resource.RLIMIT_AS, job.memory),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_CPU, job.cpu_seconds),
    ):
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
    if isinstance(job.task, UnpackLayer | CopyIn | UnpackContext | AssembleContext):
        size = job.task.limits.size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
