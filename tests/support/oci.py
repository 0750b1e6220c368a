"""Tiny OCI bundles of busybox, and the supervisor's task specs that run them with crun."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from wharfie.model.task import LogSpec, TaskSpec

BUSYBOX = "/bin/busybox"
APPLETS = (
    "sh",
    "cat",
    "echo",
    "sleep",
    "true",
    "seq",
    "stty",
    "dd",
    "head",
    "yes",
    "kill",
    "usleep",
)


def make_rootfs(path: Path) -> Path:
    """A root file system with busybox and the mount points crun wants."""
    for name in ("bin", "proc", "dev", "sys", "tmp"):
        (path / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(BUSYBOX, path / "bin/busybox")
    for applet in APPLETS:
        os.symlink("busybox", path / "bin" / applet)
    return path


def make_bundle(path: Path, rootfs: Path | str, args: list[str], *, terminal: bool = False) -> Path:
    """A bundle with the least configuration that runs."""
    path.mkdir(parents=True)
    config = {
        "ociVersion": "1.0.2",
        "process": process(args, terminal=terminal),
        "root": {"path": str(rootfs), "readonly": False},
        "hostname": "test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            },
        ],
        "linux": {
            "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network")],
        },
    }
    (path / "config.json").write_text(json.dumps(config))
    return path


def process(args: list[str], *, terminal: bool = False) -> dict[str, object]:
    """The process part of a config, also what `crun exec --process` takes."""
    capabilities = ["CAP_KILL", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"]
    return {
        "terminal": terminal,
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
    }


class Tasks:
    """Makes task specs below one directory; containers share one crun root."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "crun"
        self.rootfs = directory / "rootfs"
        if not self.rootfs.exists():
            make_rootfs(self.rootfs)

    def crun(self) -> list[str]:
        """The runtime's command with its global options."""
        return ["/usr/bin/crun", "--root", str(self.state), "--cgroup-manager=disabled"]

    def spec(
        self,
        task_id: str,
        *args: str,
        terminal: bool = False,
        stdin: bool = False,
        stdin_once: bool = False,
        log: LogSpec | None = None,
        mount_target: str = "",
        size: tuple[int, int] = (0, 0),
    ) -> TaskSpec:
        """A container that runs `args`; logs to `<task id>-json.log` unless told otherwise."""
        rootfs = mount_target or str(self.rootfs)
        bundle = make_bundle(
            self.directory / "bundles" / task_id, rootfs, list(args), terminal=terminal
        )
        console = str(bundle / "console.sock") if terminal else ""
        return TaskSpec(
            id=task_id,
            argv=[
                *self.crun(),
                f"--log={bundle}/error.log",
                "--log-format=json",
                "run",
                "-d",
                "--bundle",
                str(bundle),
                "--pid-file",
                f"{bundle}/pid",
                *(["--console-socket", console] if terminal else []),
                task_id,
            ],
            environment={"PATH": "/usr/bin:/bin"},
            pid_file=f"{bundle}/pid",
            error_log=f"{bundle}/error.log",
            console_socket=console,
            stdin=stdin,
            stdin_once=stdin_once,
            mount_target=mount_target,
            log=log or LogSpec(path=self.log_path(task_id)),
            terminal_size=size,
        )

    def exec_spec(self, task_id: str, container: str, *args: str, stdin: bool = False) -> TaskSpec:
        """A process exec'd in a running container."""
        bundle = self.directory / "bundles" / task_id
        bundle.mkdir(parents=True)
        (bundle / "process.json").write_text(json.dumps(process(list(args))))
        return TaskSpec(
            id=task_id,
            argv=[
                *self.crun(),
                f"--log={bundle}/error.log",
                "--log-format=json",
                "exec",
                "-d",
                "--pid-file",
                f"{bundle}/pid",
                "--process",
                f"{bundle}/process.json",
                container,
            ],
            environment={"PATH": "/usr/bin:/bin"},
            pid_file=f"{bundle}/pid",
            error_log=f"{bundle}/error.log",
            stdin=stdin,
            stdin_once=stdin,
        )

    def log_path(self, task_id: str) -> str:
        """Where a container's log is."""
        return str(self.directory / f"{task_id}-json.log")

    def logged(self, task_id: str) -> list[dict[str, str]]:
        """The records of a container's log."""
        with open(self.log_path(task_id), "rb") as file:
            return [json.loads(line) for line in file]

    def text(self, task_id: str, stream: str = "stdout") -> str:
        """What a container printed, according to its log."""
        return "".join(r["log"] for r in self.logged(task_id) if r["stream"] == stream)
