"""A bare machine made of namespaces: own network, processes, `/etc`, `/root`, `/run`, `/var/lib`.

    with BareMachine() as server, BareMachine() as client:
        server.join(client, "192.0.2.7/24", "192.0.2.8/24")
        server.type("wharfied &")
        client.type("docker -H tcp://192.0.2.7:2375 info")

Nothing of ours is there but the programs `wharfie` and `wharfied`. What is typed goes to a shell.
"""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from support.daemon import BIN
from support.netns import Namespaces

_PREPARE = """
set -e
mount -t tmpfs tmpfs {folder}
mkdir -p {folder}/etc {folder}/etc.work {folder}/lib {folder}/lib.work {folder}/bin
mount -t overlay overlay -o lowerdir=/etc,upperdir={folder}/etc,workdir={folder}/etc.work /etc
mount -t overlay overlay -o lowerdir=/var/lib,upperdir={folder}/lib,workdir={folder}/lib.work \
    /var/lib
mkdir -p /var/lib/wharfie /etc/wharfie
mount -t tmpfs tmpfs /var/lib/wharfie
mount -t tmpfs tmpfs /run
mkdir {folder}/project
mount --bind {project} {folder}/project
mount -t tmpfs -o mode=700 tmpfs /root
# A checkout below root's home is still where its programs look for it.
[ -d {project} ] || {{
    chmod 711 /root
    mkdir -p {project}
    mount --bind {folder}/project {project}
}}
"""


class BareMachine:
    """One machine; a context manager.

    Args:
        programs: what is found first on PATH, by name.
    """

    def __init__(self, programs: dict[str, str] | None = None) -> None:
        self.namespaces = Namespaces()
        self.folder = Path(tempfile.mkdtemp(prefix="wm-", dir="/tmp"))
        self.cgroup = self.folder.name
        self.namespaces.check(
            "sh", "-c", _PREPARE.format(folder=self.folder, project=BIN.parents[1])
        )
        ours = {name: str(BIN / name) for name in ("wharfie", "wharfied")}
        for name, target in (programs if programs is not None else ours).items():
            self.namespaces.check("ln", "-s", target, f"{self.folder}/bin/{name}")

    def __enter__(self) -> "BareMachine":
        return self

    def __exit__(self, *_: object) -> None:
        self.namespaces.close()
        root = Path("/sys/fs/cgroup")
        for top in (root / self.cgroup, *(tree / self.cgroup for tree in root.iterdir())):
            for path, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def join(self, other: "BareMachine", address: str, other_address: str) -> None:
        """Connect with another machine by a cable."""
        self.namespaces.join(other.namespaces, address, other_address)

    def type(
        self, line: str, *, timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a line as root's shell does, in root's home; a background job is left running."""
        settings = {
            "HOME": "/root",
            "PATH": f"{self.folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            **environment,
        }
        if line.rstrip().endswith("&"):
            line = f"{line.rstrip().removesuffix('&')} </dev/null >/var/lib/typed.log 2>&1 &"
        words = [f"{name}={value}" for name, value in settings.items()]
        return self.namespaces.run(
            *("env", "-i", *words, "sh", "-c", f"cd; {line}"), timeout=timeout
        )

    def check(self, line: str, **environment: str) -> str:
        """Run a line that must succeed; returns its standard output."""
        done = self.type(line, **environment)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Put a file there."""
        done = self.namespaces.run(
            "sh", "-c", f"mkdir -p $(dirname {path}); cat > {path}", stdin=text
        )
        assert done.returncode == 0, done.stderr
