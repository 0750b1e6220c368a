"""A busybox root file system and the driver over it, for tests of containers on a real kernel."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from msgspec import structs

from support.small_supervisor import SmallSupervisor
from wharfie.drivers.runtime import Defaults, OciRuntime, find_runtimes
from wharfie.model.container import Config, Container, HostConfig, State, Status
from wharfie.model.exec import Exec, ExecConfig
from wharfie.model.ids import ContainerId, ExecId, ImageId, generate_id
from wharfie.model.runtime import BundleMount, LaunchPlan, Namespaces
from wharfie.model.task import LogSpec

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NR_OPEN_TREE = 428
_OPEN_TREE_CLONE = 1
_libc = ctypes.CDLL(None, use_errno=True)

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1001:App:/home/app:/bin/sh
"""
GROUP = """root:x:0:
daemon:x:1:
wheel:x:10:root,app
app:x:1001:
extra:x:2000:
"""


def make_container(
    command: Sequence[str], *, host: HostConfig | None = None, config: Config | None = None
) -> Container:
    """A container's record around a command."""
    return Container(
        id=ContainerId(generate_id()),
        name="/test",
        created="2026-01-01T00:00:00Z",
        created_at=0,
        path=command[0],
        args=list(command[1:]),
        config=config or Config(),
        host_config=host or HostConfig(),
        image=ImageId(""),
        image_ref="busybox",
    )


def make_plan(
    container: Container,
    rootfs: int = -1,
    *,
    namespaces: Namespaces | None = None,
    mounts: Sequence[BundleMount] = (),
    environment: Sequence[str] = (PATH,),
) -> LaunchPlan:
    """A plan to start it."""
    return LaunchPlan(
        container=container,
        rootfs=rootfs,
        namespaces=namespaces or Namespaces(cgroup=""),
        hostname=container.id[:12],
        mounts=list(mounts),
        environment=list(environment),
        log=LogSpec(driver="none"),
    )


def make_busybox_root(directory: str) -> None:
    """Fill a directory with busybox and the usual /etc files."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "home/app", "sbin"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(directory, "bin/busybox"))
    names = subprocess.run(
        ["/bin/busybox", "--list"], check=True, capture_output=True, text=True
    ).stdout.split()
    for name in names:
        if name != "busybox":
            os.symlink("busybox", os.path.join(directory, "bin", name))
    for name, text in (("passwd", PASSWD), ("group", GROUP), ("plain", "text\n")):
        with open(os.path.join(directory, "etc", name), "w") as file:
            file.write(text)


def open_detached(directory: str) -> int:
    """A detached bind mount of a directory, as a snapshotter hands out."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    fd = _libc.syscall(_NR_OPEN_TREE, -100, directory.encode(), flags)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(fd)


class World:
    """A root file system, a supervisor and the driver; `close` leaves nothing behind."""

    def __init__(self, runtime: str = "crun", defaults: Defaults | None = None) -> None:
        # Short: console sockets lie below it.
        self.directory = tempfile.mkdtemp(prefix="wrt", dir="/tmp")
        self.rootfs = os.path.join(self.directory, "rootfs")
        make_busybox_root(self.rootfs)
        self.exec_root = os.path.join(self.directory, "exec")
        self.parent = f"/wharfie-test-{os.path.basename(self.directory)}"
        self.supervisor = SmallSupervisor(os.path.join(self.directory, "out"))
        given = defaults or Defaults()
        self.driver = OciRuntime(
            self.exec_root,
            self.supervisor,
            find_runtimes(),
            runtime,
            defaults=structs.replace(given, cgroup_parent=self.parent),
        )

    def close(self) -> None:
        """Kill, unmount, remove."""
        self.supervisor.close()
        asyncio.run(self.driver.sweep([]))
        self.driver.close()
        shutil.rmtree(self.directory)

    async def launch(
        self,
        container: Container,
        *,
        namespaces: Namespaces | None = None,
        mounts: Sequence[BundleMount] = (),
        environment: Sequence[str] = (PATH,),
    ) -> Container:
        """Start a container; returns its running record."""
        rootfs = open_detached(self.rootfs)
        try:
            plan = make_plan(
                container, rootfs, namespaces=namespaces, mounts=mounts, environment=environment
            )
            pid = await self.driver.launch(plan)
        finally:
            os.close(rootfs)
        state = State(status=Status.RUNNING, pid=pid)
        return structs.replace(container, state=state)

    async def run(
        self,
        *command: str,
        host: HostConfig | None = None,
        config: Config | None = None,
        namespaces: Namespaces | None = None,
        mounts: Sequence[BundleMount] = (),
        environment: Sequence[str] = (PATH,),
    ) -> tuple[int, str]:
        """Run a command in a fresh container to its end; returns code and output."""
        container = make_container(command, host=host, config=config)
        await self.launch(container, namespaces=namespaces, mounts=mounts, environment=environment)
        code = await self.supervisor.wait(container.id)
        await self.driver.delete(container)
        return code, self.supervisor.output(container.id)

    async def exec(self, container: Container, *command: str, **options: object) -> tuple[int, str]:
        """Run a command in a running container; options as `ExecConfig` has them."""
        config = ExecConfig(cmd=list(command), **options)  # type: ignore[arg-type]
        exec_ = Exec(id=ExecId(generate_id()), container_id=container.id, config=config)
        await self.driver.launch_exec(exec_, container, environment=[PATH])
        code = await self.supervisor.wait(exec_.id)
        return code, self.supervisor.output(exec_.id)

    def leftovers(self) -> list[str]:
        """Cgroup directories of this world that still exist."""
        found = []
        for name in os.listdir("/sys/fs/cgroup"):
            path = f"/sys/fs/cgroup/{name}{self.parent}"
            if os.path.isdir(path):
                found += [entry.path for entry in os.scandir(path) if entry.is_dir()]
        return found
