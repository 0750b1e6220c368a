"""What the runtime driver keeps below exec-root, and how it goes away.

    <exec-root>/
    ├── bundles/<container id>/   config.json  log  pid  rootfs/ (mount point, empty here)
    │                             trees/<n> (mount points too, where needed)
    ├── execs/<exec id>/          process.json log  pid          gone once the exec runs
    ├── consoles/<16 digits>      socket on which a terminal is received
    ├── seccomp/<key>.bpf         compiled filters
    └── crun/ runc/ …             each runtime's own state

Everything goes with a boot. Nothing below a bundle's `rootfs` is ever removed: should a mount
have stayed there, its files are somebody's data.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct, field

from wharfie.drivers.runtime.cgroup.placing import group_path
from wharfie.model.ids import is_full_id

_log = logging.getLogger(__name__)
_BUNDLE_FILES = ("config.json", "log", "pid")
_EXEC_FILES = ("process.json", "log", "pid")


class _LinuxPart(Struct):
    cgroups_path: str = field(default="", name="cgroupsPath")


class _SpecPart(Struct):
    linux: _LinuxPart = field(default_factory=_LinuxPart)


class Layout:
    """Paths below one exec-root."""

    def __init__(self, exec_root: str) -> None:
        self.root = exec_root
        self.bundles = os.path.join(exec_root, "bundles")
        self.execs = os.path.join(exec_root, "execs")
        self.consoles = os.path.join(exec_root, "consoles")
        self.filters = os.path.join(exec_root, "seccomp")

    def prepare(self) -> None:
        """Make the directories; only root may look.

        The root of a user namespace passes through on its way to its own root file system.
        """
        passed = (self.root, self.bundles)
        for directory in (*passed, self.execs, self.consoles):
            os.makedirs(directory, mode=0o711 if directory in passed else 0o700, exist_ok=True)

    def state_root(self, kind: str) -> str:
        """State directory of a runtime."""
        return os.path.join(self.root, kind)

    def bundle(self, container_id: str) -> str:
        """Bundle directory of a container."""
        return os.path.join(self.bundles, container_id)

    def exec_directory(self, exec_id: str) -> str:
        """Directory of an exec that is being started."""
        return os.path.join(self.execs, exec_id)

    def console(self, task_id: str) -> str:
        """Console socket of a task; short, as a socket's path has 108 bytes at most."""
        return os.path.join(self.consoles, task_id[:16])

    def cgroup_path(self, container_id: str) -> str:
        """The cgroup a bundle was written for, "" without a readable bundle."""
        try:
            with open(os.path.join(self.bundle(container_id), "config.json"), "rb") as file:
                spec = msgspec.json.decode(file.read(), type=_SpecPart)
                return group_path(spec.linux.cgroups_path)
        except (OSError, msgspec.MsgspecError):
            return ""

    def known(self, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Containers with something here: ID and the kind of runtime that has state, or "".

        Args:
            kinds: runtimes to look for; other directories of exec-root are not ours.
        """
        seen = set()
        for kind in sorted(set(kinds)):
            for name in _entries(self.state_root(kind)):
                if is_full_id(name):
                    seen.add(name)
                    yield name, kind
        for name in _entries(self.bundles):
            if is_full_id(name) and name not in seen:
                yield name, ""

    def remove_bundle(self, container_id: str) -> None:
        """Remove a bundle; one that is gone is no error."""
        bundle = self.bundle(container_id)
        try:
            _remove_targets(os.path.join(bundle, "trees"))
            _remove(bundle, _BUNDLE_FILES, mount_point="rootfs")
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
                raise
            aside = f"{bundle}.{time.time_ns()}"
            os.rename(bundle, aside)
            _log.warning("files in %s stay there: %s", aside, error)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.console(container_id))

    def remove_exec(self, exec_id: str) -> None:
        """Remove what an exec needed to start; gone is no error."""
        _remove(self.exec_directory(exec_id), _EXEC_FILES)

    def remove_state(self, kind: str, container_id: str) -> None:
        """Remove a runtime's state of a container that has ended; gone is no error."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(os.path.join(self.state_root(kind), container_id))

    def remove_execs(self) -> None:
        """Remove the remains of all execs."""
        for name in list(_entries(self.execs)):
            self.remove_exec(name)


def _remove_targets(directory: str) -> None:
    """Remove the places of mounts, never what may still be mounted there."""
    try:
        targets = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for target in targets:
        if target.is_dir(follow_symlinks=False):
            os.rmdir(target.path)
        else:
            os.unlink(target.path)
    os.rmdir(directory)


def _entries(directory: str) -> Iterator[str]:
    try:
        yield from sorted(e.name for e in os.scandir(directory) if e.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return


def _remove(directory: str, files: tuple[str, ...], *, mount_point: str = "") -> None:
    for name in files:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    with contextlib.suppress(FileNotFoundError):
        if mount_point:
            os.rmdir(os.path.join(directory, mount_point))
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(directory)
