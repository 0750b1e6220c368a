"""Being told when the kernel kills for want of memory in a cgroup.

    v1    an eventfd registered with memory.oom_control
    v2    inotify on memory.events

The first wakes when the kernel begins to look for a victim, and when the group is removed; the
second for other counters too, so the counter of kills decides.

Source: cgroup-v1/memory.rst, "OOM Control"; cgroup-v2.rst, "memory.events".
"""

from __future__ import annotations

import os

from wharfie.kernel.cgroups import Cgroup, CgroupHost
from wharfie.kernel.inotify import IN_MODIFY, Inotify


class OomNotifier:
    """Watches one group; `fd` becomes readable when there may be news."""

    def __init__(self, host: CgroupHost, path: str, *, known: bool) -> None:
        """Begin to watch.

        Args:
            host: its trees.
            path: of the group.
            known: kills so far are known; else the first `check` tells of them.

        Raises:
            OSError: the group is not there, or this host cannot tell.
        """
        self._group: Cgroup = host.group(path)
        self._seen = self._group.oom_kills() if known else 0
        self._directory = f"{host.root('memory')}{path}"
        self._inotify: Inotify | None = None
        root = host.root("memory")
        if root is None:
            raise OSError(f"{path}: this host has no memory cgroup")
        if host.version == 2:
            self._inotify = Inotify()
            self.fd = self._inotify.fd
            try:
                self._inotify.watch(f"{root}{path}/memory.events", IN_MODIFY)
            except OSError:
                self._inotify.close()
                raise
        else:
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            try:
                _register(f"{root}{path}", self.fd)
            except OSError:
                os.close(self.fd)
                raise

    def take(self) -> bool:
        """Forget what woke us; tell whether it was a kill."""
        if self._inotify is None:
            try:
                os.eventfd_read(self.fd)
            except BlockingIOError:
                return False
            return os.path.isdir(self._directory)
        self._inotify.drain()
        return self.check()

    def check(self) -> bool:
        """Tell whether the counter has grown since the last look."""
        kills = self._group.oom_kills()
        grown, self._seen = kills > self._seen, kills
        return grown

    def close(self) -> None:
        """Stop watching; idempotent."""
        if self._inotify is not None:
            self._inotify.close()
        elif self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def _register(directory: str, event: int) -> None:
    control = os.open(f"{directory}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(f"{directory}/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(target, f"{event} {control}".encode())
        finally:
            os.close(target)
    finally:
        os.close(control)
