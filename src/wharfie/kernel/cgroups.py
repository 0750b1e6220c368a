"""Control groups: which hierarchies a host has, and what is done to one group in all of them.

    v1      /sys/fs/cgroup/<controller>/<path>     one tree per controller, a group in each
    hybrid  the same, and a v2 tree without controllers at /sys/fs/cgroup/unified
    v2      /sys/fs/cgroup/<path>                  one tree

A group is named by its path below the mount points ("/docker/<id>"). Everything here blocks
shortly and belongs in a thread; nothing raises because a group is gone, unless it says so.

Source: the kernel's cgroup-v1/freezer-subsystem.rst, cgroup-v1/memory.rst, cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_UNIFIED = "cgroup2"
_LEGACY = "cgroup"
_NOT_CONTROLLERS = frozenset(
    {"rw", "ro", "xattr", "clone_children", "cpuset_v2_mode", "noprefix", "favordynmods"}
)
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENOTDIR)
_HELD = (errno.EBUSY, errno.ENOTEMPTY)
_KILL_ROUNDS = 50
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
"""Seconds between two looks at something the kernel tells no event of."""


class Hierarchy(NamedTuple):
    """One mounted cgroup tree; `controllers` is empty for v2, "name=x" for named v1 trees."""

    version: int
    mount_point: str
    controllers: frozenset[str]


class FreezeFailed(OSError):
    """A group did not reach the wanted freezer state in time."""


def parse_mountinfo(text: str) -> list[Hierarchy]:
    """The cgroup mounts among the lines of `/proc/<pid>/mountinfo`; later mounts win."""
    found: dict[str, Hierarchy] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if len(left) < 5 or len(right) < 3 or right[0] not in (_UNIFIED, _LEGACY):
            continue
        mount_point = _unescape(left[4])
        if right[0] == _UNIFIED:
            found[mount_point] = Hierarchy(2, mount_point, frozenset())
        else:
            options = frozenset(right[2].split(",")) - _NOT_CONTROLLERS
            found[mount_point] = Hierarchy(1, mount_point, options)
    return list(found.values())


def _unescape(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


class CgroupHost:
    """The cgroup trees of a host.

    `version` is 2 only where v2 has the controllers: a v2 tree beside v1 ones is hybrid and
    counts as 1, as Docker counts it.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy]) -> None:
        # The same tree may be mounted in several places; one is enough, the shortest path.
        unique: dict[tuple[int, frozenset[str]], Hierarchy] = {}
        for hierarchy in sorted(hierarchies, key=lambda h: len(h.mount_point)):
            unique.setdefault((hierarchy.version, hierarchy.controllers), hierarchy)
        self.hierarchies = tuple(unique.values())
        legacy = [h for h in self.hierarchies if h.version == 1]
        self.version = 1 if legacy else 2
        self.is_hybrid = bool(legacy) and any(h.version == 2 for h in self.hierarchies)

    @classmethod
    def detect(cls, mountinfo: str = "/proc/self/mountinfo") -> CgroupHost:
        """Look at this process's mounts."""
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            return cls(parse_mountinfo(file.read()))

    def root(self, controller: str) -> str | None:
        """Mount point of the tree with a controller; on v2 the one tree. None: not there."""
        for hierarchy in self.hierarchies:
            if hierarchy.version == self.version and (
                self.version == 2 or controller in hierarchy.controllers
            ):
                return hierarchy.mount_point
        return None

    def group(self, path: str) -> Cgroup:
        """The group at a path, which need not exist."""
        return Cgroup(self, path)


class Cgroup:
    """One group in all trees of a host."""

    def __init__(self, host: CgroupHost, path: str) -> None:
        parts = [part for part in path.split("/") if part]
        if not parts or any(part in (".", "..") for part in parts):
            raise ValueError(f"not a cgroup path: {path!r}")
        self.path = "/" + "/".join(parts)
        self._host = host

    def directories(self) -> list[str]:
        """Its directories, one per tree, existing or not."""
        return [hierarchy.mount_point + self.path for hierarchy in self._host.hierarchies]

    def exists(self) -> bool:
        """Tell whether any tree has it."""
        return any(os.path.isdir(directory) for directory in self.directories())

    def pids(self) -> list[int]:
        """Pids of all processes in it and below, ascending; empty when it is gone.

        All trees are asked: a process is in every tree, but a runtime that died half way may
        have moved it in some only.
        """
        found: set[int] = set()
        for directory in self.directories():
            for below in _tree(directory):
                for line in (_read(f"{below}/cgroup.procs") or "").split():
                    found.add(int(line))
        # Zero is a process of a pid namespace we cannot see.
        found.discard(0)
        return sorted(found)

    def freeze(self, *, timeout: float) -> None:
        """Stop all processes in it.

        Raises:
            FreezeFailed: not all were stopped after `timeout` seconds; it is thawed again.
            FileNotFoundError: it is gone.
        """
        try:
            self._set_frozen(frozen=True, timeout=timeout)
        except FreezeFailed:
            self._set_frozen(frozen=False, timeout=timeout)
            raise

    def thaw(self, *, timeout: float) -> None:
        """Let all processes in it go on.

        Raises:
            FreezeFailed: some were still stopped after `timeout` seconds.
            FileNotFoundError: it is gone.
        """
        self._set_frozen(frozen=False, timeout=timeout)

    def is_frozen(self) -> bool:
        """Tell whether it was asked to freeze and is."""
        directory = self._freezer()
        if self._host.version == 2:
            return _flag(f"{directory}/cgroup.events", "frozen") == 1
        return (_read(f"{directory}/freezer.state") or "").strip() == "FROZEN"

    def kill(self) -> bool:
        """SIGKILL every process in it, those that are forked meanwhile included.

        Returns:
            True when no process was left to signal; a zombie or one stuck in the kernel may
            still hold the group for a moment.
        """
        if self._host.version == 2 and self._write_gone_ok("cgroup.kill", "1"):
            return True
        # A frozen process does not die before it is thawed.
        with contextlib.suppress(OSError):
            self._thaw_quietly()
        for pause in _pauses(_KILL_ROUNDS):
            pids = [pid for pid in self.pids() if _is_alive(pid)]
            if not pids:
                return True
            self._signal(pids)
            time.sleep(pause)
        return not any(_is_alive(pid) for pid in self.pids())

    def unlimit_pids(self) -> None:
        """Take the limit on its number of processes away.

        Raises:
            FileNotFoundError: it is gone.
        """
        _write(f"{self._directory('pids')}/pids.max", "max")

    def oom_kills(self) -> int:
        """How often the kernel's OOM killer struck in it."""
        if self._host.version == 2:
            return _flag(f"{self._directory('memory')}/memory.events", "oom_kill")
        return _flag(f"{self._directory('memory')}/memory.oom_control", "oom_kill")

    def remove(self, *, timeout: float) -> bool:
        """Remove it from all trees, groups below it first; True when nothing of it is left.

        Dying processes hold a group for a moment after their parent saw them end, and the
        kernel tells nobody when they let go; so EBUSY is tried again for `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        for pause in _pauses(1 << 20):
            left = [d for d in self.directories() if not _remove_tree(d)]
            if not left:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
        return False

    def _directory(self, controller: str) -> str:
        root = self._host.root(controller)
        if root is None:
            raise OSError(errno.ENOTSUP, f"this host has no {controller} cgroup", self.path)
        return root + self.path

    def _freezer(self) -> str:
        return self._directory("freezer")

    def _write_gone_ok(self, name: str, value: str) -> bool:
        try:
            _write(f"{self._freezer()}/{name}", value)
        except OSError as error:
            if error.errno in _GONE:
                return not os.path.isdir(self._freezer())
            if error.errno == errno.EOPNOTSUPP:
                return False
            raise
        return True

    def _set_frozen(self, *, frozen: bool, timeout: float) -> None:
        if self._host.version == 2:
            self._set_frozen_v2(frozen=frozen, timeout=timeout)
        else:
            self._set_frozen_v1(frozen=frozen, timeout=timeout)

    def _set_frozen_v1(self, *, frozen: bool, timeout: float) -> None:
        file = f"{self._freezer()}/freezer.state"
        wanted = "FROZEN" if frozen else "THAWED"
        deadline = time.monotonic() + timeout
        for pause in _pauses(1 << 20):
            # Written in every round: a process forked during the freeze is caught only by a
            # further write. Source: freezer-subsystem.rst.
            _write(file, wanted)
            if (_read(file) or "").strip() == wanted:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(pause)
        raise FreezeFailed(errno.ETIMEDOUT, f"cgroup did not become {wanted}", self.path)

    def _set_frozen_v2(self, *, frozen: bool, timeout: float) -> None:
        directory = self._freezer()
        events = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _write(f"{directory}/cgroup.freeze", "1" if frozen else "0")
            deadline = time.monotonic() + timeout
            poll = select.poll()
            poll.register(events, select.POLLPRI)
            while _value(os.pread(events, 4096, 0).decode(), "frozen") != int(frozen):
                left = deadline - time.monotonic()
                if left <= 0:
                    state = "frozen" if frozen else "thawed"
                    raise FreezeFailed(errno.ETIMEDOUT, f"cgroup did not become {state}", self.path)
                poll.poll(min(left, _LONGEST_PAUSE) * 1000)
        finally:
            os.close(events)

    def _thaw_quietly(self) -> None:
        if self._host.version == 2:
            _write(f"{self._freezer()}/cgroup.freeze", "0")
        else:
            _write(f"{self._freezer()}/freezer.state", "THAWED")

    def _signal(self, pids: Sequence[int]) -> None:
        """SIGKILL the processes that are still ours: a pid may have got another owner since."""
        with contextlib.ExitStack() as stack:
            handles: list[tuple[int, int]] = []
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    pidfd = os.pidfd_open(pid)
                    stack.callback(os.close, pidfd)
                    handles.append((pid, pidfd))
            ours = set(self.pids())
            for pid, pidfd in handles:
                if pid in ours:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _pauses(count: int) -> Iterator[float]:
    pause = _FIRST_PAUSE
    for _ in range(count):
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def _tree(directory: str) -> Iterator[str]:
    """A group's directory and all below, deepest last."""
    yield directory
    try:
        entries = [entry.path for entry in os.scandir(directory) if entry.is_dir()]
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    for entry in entries:
        yield from _tree(entry)


def _remove_tree(directory: str) -> bool:
    """Remove a group and those below; False when something holds one of them."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno in _GONE:
            return True
        if error.errno not in _HELD:
            raise
    else:
        return True
    complete = True
    for path in reversed(list(_tree(directory))):
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno in _GONE:
                continue
            if error.errno not in _HELD:
                raise
            complete = False
    return complete


def _read(path: str) -> str | None:
    """Content of a control file; None when the group is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while part := os.read(fd, 65536):
                parts.append(part)
            return b"".join(parts).decode("ascii", "replace")
        finally:
            os.close(fd)
    except OSError as error:
        # A threaded group answers EOPNOTSUPP for its processes; its parent lists them.
        if error.errno in (*_GONE, errno.EOPNOTSUPP):
            return None
        raise


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _flag(path: str, key: str) -> int:
    return _value(_read(path) or "", key)


def _value(text: str, key: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


def _is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie: a zombie has died already."""
    status = _read(f"/proc/{pid}/stat")
    if not status:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
