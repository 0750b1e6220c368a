"""Running a command of a build in a container that no list shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from wharfie.model.container import HostConfig
from wharfie.model.ids import ContainerId
from wharfie.model.runtime import BundleMount

StepOutput = Callable[[int, bytes], None]
"""Takes what a step writes: stream (1 or 2) and bytes."""


class Step(Struct, frozen=True, kw_only=True):
    """A command and the container around it.

    Attributes:
        id: of the container; names what a crash may leave.
        rootfs: descriptor of the mounted root file system; the caller closes it.
        arguments: the argument vector.
        environment: in order ("K=V"); PATH is added where it is missing.
        user: "name", "uid", "name:group"…, "" for root.
        directory: working directory.
        hostname: inside of it.
        host: limits, network, security: as of a container, not filled with defaults yet.
        mounts: besides the standard ones and the files in /etc; whoever made the step closes
            their trees.
    """

    id: ContainerId
    rootfs: int
    arguments: list[str]
    environment: list[str] = field(default_factory=list)
    user: str = ""
    directory: str = "/"
    hostname: str = "buildkitsandbox"
    host: HostConfig = HostConfig()
    mounts: list[BundleMount] = field(default_factory=list)


class StepRunner(Protocol):
    """Runs steps by the runtime and the supervisor of containers, with their defaults.

    Nothing is recorded: what a crash leaves (a process, a cgroup, a directory) is what belongs to
    no container, and the next start removes it.
    """

    async def run(self, step: Step, output: StepOutput) -> int:
        """Run it to its end, output as it comes; returns the exit code, 128+n for signal n.

        Cancelling kills it and waits until it is gone.

        Raises:
            StartFailed: its command cannot be run; Docker's words and exit code.
            EngineError: the network, a limit or the host refused.
        """

    def is_remapped(self, host: HostConfig) -> bool:
        """Tell whether a step of such a host config runs in the engine's user namespace."""

    def owner_on_host(self, host: HostConfig, uid: int, gid: int) -> tuple[int, int]:
        """What a user and group of a step are outside of its user namespace."""
