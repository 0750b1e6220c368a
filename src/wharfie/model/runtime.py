"""The OCI runtime as the engine sees it: plans in, processes out.

The engine decides *what* (mounts, namespaces, limits come from the container's record); the
driver writes the bundle and asks the supervisor to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from wharfie.model.container import Container, HostConfig
from wharfie.model.exec import Exec
from wharfie.model.task import LogSpec
from wharfie.model.usage import Usage


class BundleMount(Struct, frozen=True, kw_only=True):
    """One mount inside the container besides the standard ones.

    Attributes:
        type: "bind" or "tmpfs".
        source: host path of a bind, "tmpfs" for one.
        destination: absolute path inside.
        options: OCI mount options ("rbind", "ro", "rprivate", "size=64m").
        tree: descriptor of a detached mount to bind in place of `source`, -1 for none; whoever
            made the plan closes it.
    """

    type: str
    source: str
    destination: str
    options: list[str] = field(default_factory=list)
    tree: int = -1


class Namespaces(Struct, frozen=True, kw_only=True):
    """Which namespaces are shared; None makes a new one, "" uses the host's, a path joins.

    A user namespace is never made anew: the engine's own, with its mapping, is joined.
    """

    network: str | None = None
    pid: str | None = None
    ipc: str | None = None
    uts: str | None = None
    cgroup: str | None = None
    user: str | None = ""


class LaunchPlan(Struct, frozen=True, kw_only=True):
    """Everything needed to start a container's process.

    Attributes:
        container: its record, with image defaults already merged into `config`.
        rootfs: descriptor of the detached root mount; the caller closes it.
        hostname: host name inside a private UTS namespace.
        mounts: binds, volumes, tmpfs and the managed /etc files, sorted by depth.
        environment: complete, in order ("K=V").
    """

    container: Container
    rootfs: int
    namespaces: Namespaces
    hostname: str
    mounts: list[BundleMount]
    environment: list[str]
    log: LogSpec


class RuntimeInfo(Struct, frozen=True):
    """A configured OCI runtime."""

    name: str
    path: str
    arguments: list[str] = field(default_factory=list)


class MountTrees(Protocol):
    """Detached copies of mounted trees: nobody can swap what a descriptor stands for."""

    async def below(
        self,
        root: str | int,
        subpath: str = "",
        *,
        recursive: bool = True,
        remapped: bool = False,
    ) -> int:
        """A copy of a directory or file, or of what lies at `subpath` below it.

        Args:
            root: absolute host path, or a descriptor, which stays open; of a detached mount it
                may not be attached any more after.
            subpath: relative; may not lead out of `root`, by no symlink either.
            recursive: with the mounts below.
            remapped: with the IDs of the engine's user namespace.

        Raises:
            NotFound: there is nothing.
            InvalidArgument: it leads out, or its file system cannot map IDs.
        """

    async def of_process(self, pid: int, path: str) -> int:
        """A copy of what a process sees mounted at an absolute path.

        Raises:
            Internal: the process is gone, or has no such directory.
        """

    async def propagation(self, path: str) -> tuple[str, str]:
        """The mount point a path lies on, and "shared", "slave" or "private"."""


class Runtime(Protocol):
    """Starts containers and acts on running ones."""

    @property
    def runtimes(self) -> Mapping[str, RuntimeInfo]:
        """Configured runtimes by name."""

    @property
    def default_runtime(self) -> str:
        """Name of the runtime used when a container asks for none."""

    def profile_of(self, host: HostConfig) -> str:
        """The AppArmor profile a container runs under, "" on a host without AppArmor."""

    def labels_of(self, host: HostConfig, taken: Iterable[str]) -> tuple[str, str]:
        """SELinux labels of a new container's process and files, "" on a host without SELinux.

        Args:
            host: with its label options.
            taken: labels of other containers' processes.

        Raises:
            InvalidArgument: a label option that means nothing.
        """

    def check(self, host: HostConfig) -> None:
        """Refuse at create what could never start; files and devices are looked at later.

        Raises:
            InvalidArgument: an unknown runtime or capability, a malformed option or limit.
        """

    async def launch(self, plan: LaunchPlan) -> int:
        """Write the bundle and start the container; returns its host pid.

        Raises:
            StartFailed: with Docker's words and exit code 126, 127 or 128.
            InvalidArgument: a user, device or option that cannot be resolved.
        """

    async def launch_exec(
        self, exec_: Exec, container: Container, *, environment: Sequence[str]
    ) -> int:
        """Start an exec'd process in a running container; returns its host pid.

        Args:
            exec_: what to run.
            container: where; its state names the pid whose root is looked at.
            environment: complete, in order ("K=V").

        Raises:
            StartFailed: as for `launch`.
        """

    async def pause(self, container: Container) -> None:
        """Freeze all processes of a container."""

    async def unpause(self, container: Container) -> None:
        """Thaw them."""

    async def pids(self, container: Container) -> Sequence[int]:
        """Host pids of all processes in the container's cgroup."""

    async def update(self, container: Container, limits: HostConfig) -> None:
        """Change limits of a running container.

        Args:
            container: whose.
            limits: those that change; what is zero, "" or None stays. No number of processes
                (0) means no limit.

        Raises:
            Internal: the kernel refused; the message says why.
        """

    async def usage(self, container: Container) -> Usage:
        """What a running container uses now.

        Raises:
            NotRunning: its cgroup is gone.
        """

    async def kill_all(self, container: Container) -> None:
        """SIGKILL every process in the container's cgroup; needed where pid is shared."""

    def watch_memory(self, container: Container, on_kill: Callable[[], None]) -> Callable[[], None]:
        """Be told, on the event loop, of each time the kernel kills for want of memory.

        Returns:
            What ends the watch. A host that cannot tell never calls.
        """

    async def was_oom_killed(self, container: Container) -> bool:
        """Tell whether the kernel's OOM killer struck in the container's cgroup."""

    async def delete(self, container: Container) -> None:
        """Remove cgroups, bundle and the runtime's own state; idempotent, also for leftovers."""

    async def sweep(self, keep: Sequence[str]) -> None:
        """At start: delete what belongs to containers (by ID) that are not in `keep`."""
