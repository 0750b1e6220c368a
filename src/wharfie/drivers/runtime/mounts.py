"""Mounts every container has, and where its own go among them.

A mount of the user's on the same place replaces a standard one; one below `/dev` or `/proc` comes
after it.

Source: behaviours 182, 186, 192; moby's default mounts.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.formats.oci.runtime import Mount
from wharfie.model.runtime import BundleMount

DEFAULT_SHM_SIZE = 64 << 20
INIT_PATH = "/sbin/docker-init"

_SAFE = ("nosuid", "noexec", "nodev")
_PROC = Mount("/proc", "proc", "proc", _SAFE)
_DEV = Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k"))
_PTS = Mount(
    "/dev/pts",
    "devpts",
    "devpts",
    ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
)
_MQUEUE = Mount("/dev/mqueue", "mqueue", "mqueue", _SAFE)
_SHM = "/dev/shm"


def standard_mounts(
    *,
    shm_size: int,
    writable_sys: bool,
    writable_cgroup: bool,
    host_ipc: bool,
    has_mqueue: bool = True,
    no_shm: bool = False,
) -> list[Mount]:
    """The standard mounts, in order.

    Args:
        shm_size: bytes of /dev/shm, 0 for the default.
        writable_sys: /sys may be written (privileged).
        writable_cgroup: /sys/fs/cgroup may be written.
        host_ipc: /dev/shm and /dev/mqueue are the host's, as IPC is.
        has_mqueue: this host has a /dev/mqueue.
        no_shm: there is no /dev/shm.
    """
    sys_options = (*_SAFE, "rw" if writable_sys else "ro")
    cgroup_options = ("rw" if writable_cgroup else "ro", *_SAFE)
    mounts = [
        _PROC,
        _DEV,
        _PTS,
        Mount("/sys", "sysfs", "sysfs", sys_options),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", cgroup_options),
    ]
    if host_ipc:
        if has_mqueue:
            mounts.append(Mount("/dev/mqueue", "bind", "/dev/mqueue", ("rbind", *_SAFE)))
        mounts.append(Mount(_SHM, "bind", _SHM, ("rbind", *_SAFE)))
    else:
        mounts.append(_MQUEUE)
    if not (host_ipc or no_shm):
        size = shm_size or DEFAULT_SHM_SIZE
        mounts.append(Mount(_SHM, "tmpfs", "shm", (*_SAFE, "mode=1777", f"size={size}")))
    return mounts


def merge_mounts(standard: Sequence[Mount], own: Sequence[BundleMount]) -> tuple[Mount, ...]:
    """Standard mounts with the container's own: same destination replaces, the rest follows."""
    taken = {mount.destination for mount in own}
    # What lies below a replaced /dev goes with it, as a bind of the host's /dev brings its own.
    kept = [
        mount
        for mount in standard
        if mount.destination not in taken
        and not ("/dev" in taken and mount.destination.startswith("/dev/"))
    ]
    return (
        *kept,
        *(Mount(m.destination, m.type, m.source, tuple(m.options)) for m in own),
    )


def init_mount(path: str) -> BundleMount:
    """The bind that puts the host's init program at /sbin/docker-init."""
    return BundleMount(
        type="bind", source=path, destination=INIT_PATH, options=["bind", "ro", "rprivate"]
    )
