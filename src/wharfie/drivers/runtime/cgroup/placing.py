"""Where a container's cgroup is: made by ourselves (cgroupfs), or a scope of systemd.

    driver     in the bundle's spec          the group below each mounted tree
    cgroupfs   /docker/<id>                  /docker/<id>
    systemd    system.slice:docker:<id>      /system.slice/docker-<id>.scope
               a-b.slice:docker:<id>         /a.slice/a-b.slice/docker-<id>.scope

The spec of a bundle tells under which driver its container was started, so a container goes on
when the daemon comes back with the other one.

Source: behaviours 189; OCI runtime spec, "cgroupsPath"; systemd.slice(5); crun(1) --systemd-cgroup.
"""

from __future__ import annotations

import os
import posixpath
from enum import Enum

from wharfie.model.errors import InvalidArgument

CGROUPFS_PARENT = "/docker"
SYSTEMD_PARENT = "system.slice"
SCOPE_PREFIX = "docker"


class CgroupDriver(Enum):
    """Who makes containers' groups; the values are Docker's names."""

    CGROUPFS = "cgroupfs"
    SYSTEMD = "systemd"


def choose_driver(asked: str, *, cgroup_version: int, run: str = "/run") -> CgroupDriver:
    """The driver asked for, else systemd where it runs the host and v2 is all there is.

    It must be reachable over D-Bus, too, which a minimal Debian has not installed.

    Source: moby's daemon/daemon_unix.go, `UsingSystemd`.
    """
    if asked:
        return CgroupDriver(asked)
    system = f"{run}/systemd/system"
    booted = os.path.isdir(system) and not os.path.islink(system)
    reachable = os.path.exists(f"{run}/dbus/system_bus_socket")
    wanted = booted and reachable and cgroup_version == 2
    return CgroupDriver.SYSTEMD if wanted else CgroupDriver.CGROUPFS


def check_parent(driver: CgroupDriver, parent: str) -> None:
    """Refuse a parent that a driver cannot use; "" is the default one.

    Raises:
        InvalidArgument: in Docker's words where it has some.
    """
    if driver is CgroupDriver.SYSTEMD:
        if parent and not (len(parent) > len(".slice") and _is_slice(parent)):
            raise InvalidArgument(
                'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"'
            )
    elif any(part in (".", "..") for part in parent.split("/")):
        raise InvalidArgument(f"invalid cgroup parent: {parent}")


def spec_path(driver: CgroupDriver, parent: str, container_id: str) -> str:
    """The `cgroupsPath` of a container's spec."""
    if driver is CgroupDriver.SYSTEMD:
        return f"{parent or SYSTEMD_PARENT}:{SCOPE_PREFIX}:{container_id}"
    # A parent that climbs is held below the root, as moby's cleaning of paths does.
    top = posixpath.normpath("/" + (parent or CGROUPFS_PARENT).lstrip("/"))
    return posixpath.join(top, container_id)


def is_systemd(path: str) -> bool:
    """Tell whether a spec's path is one for systemd."""
    return path.count(":") == 2 and not path.startswith("/")


def group_path(path: str) -> str:
    """The group below each mounted tree that a spec's path stands for."""
    if not is_systemd(path):
        return path
    parent, prefix, name = path.split(":")
    return f"{_slice_path(parent)}/{prefix}-{name}.scope"


def _slice_path(name: str) -> str:
    """Directories of a slice: a dash names a parent ("a-b.slice" lies in "a.slice")."""
    if name == "-.slice":
        return ""
    words = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(words[:n])}.slice" for n in range(1, len(words) + 1))


def _is_slice(name: str) -> bool:
    stem = name.removesuffix(".slice")
    return name.endswith(".slice") and "/" not in name and all(stem.split("-"))
