"""A scratch Debian machine: systemd as PID 1 in namespaces of this kernel (systemd-nspawn).

    with Machine("bookworm") as machine:
        machine.boot()
        machine.check("systemctl is-active docker")
        machine.reboot(hard=True)

Its disk is an overlay over a cached base system and goes with it; so do its processes, mounts,
cgroups and network, which is a loopback of its own. Commands are typed as root into a shell.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support.machine_base import ROOT, base_system
from support.netns import children, poll

# What is PID 1 for a moment before systemd: nspawn leaves cgroup v1 hierarchies read-only.
PREINIT = """
mount --make-rprivate /
if ! [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -o remount,rw /sys/fs/cgroup
    for tree in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "${tree%/}"; done
fi
mount --make-rshared /
exec /sbin/init "$@"
"""
# In a mount namespace of its own: the overlay is nobody else's, and nspawn sees the layout of
# cgroups that it shall take. $1 root, $2 overlay options, then cgroups up to "--".
STAGE = """
set -e
root=$1 options=$2
shift 2
mount -t overlay overlay -o "$options" "$root"
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done
shift
if grep -q ' /sys/fs/cgroup/unified ' /proc/self/mounts; then umount /sys/fs/cgroup/unified; fi
exec "$@"
"""
LAUNCHER = """\
#!/usr/bin/python3 -IS
import sys

sys.path[:0] = ["/opt/wharfie/src", "/opt/wharfie/packages"]
from wharfie.{module}.main import main

sys.exit(main())
"""
# Real directories in the overlay's place, as images are overlays, too.
STATE = ("/var/lib/docker", "/var/lib/wharfie")


class MachineError(Exception):
    """A machine cannot be had here, or does not come up."""


class Machine:
    """One machine; a context manager. Boot it before use.

    Args:
        suite: "bookworm" or "trixie".
    """

    def __init__(self, suite: str) -> None:
        self.suite = suite
        base = base_system(suite)
        self.directory = Path(tempfile.mkdtemp(prefix="wm-", dir="/var/tmp"))
        self.name = self.directory.name.replace("_", "x")
        self.root = self.directory / "root"
        """Its root directory as it sees it itself is not here, but behind `pid`."""
        for name in ("root", "upper", "work"):
            (self.directory / name).mkdir()
        self._options = (
            f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        )
        self._cgroups = [Path(tree) / self.name for tree in _cgroup_trees()]
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.pid = 0
        """PID 1 of the machine, as seen here; 0 while it is off."""
        self._put_sources()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Pull the plug and throw it away."""
        self.cut_power()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _put_sources(self) -> None:
        place = self.directory / "upper/opt/wharfie"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", place / "src", ignore=ignored)
        shutil.copytree(ROOT / "packaging", place / "packaging")
        for name, module in (("wharfie", "cli"), ("wharfied", "daemon")):
            program = place / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(LAUNCHER.format(module=module))
            program.chmod(0o755)
        etc = self.directory / "upper/etc"
        etc.mkdir()
        (etc / "hostname").write_text(f"{self.suite}\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.suite}\n::1 localhost\n")

    def boot(self, seconds: float = 60) -> None:
        """Switch on and wait until systemd says that it is up.

        Raises:
            MachineError: it does not come up; the message has the console's last words.
        """
        for tree in self._cgroups:
            tree.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # cgroup v1 does not inherit these
                file = tree / name
                if file.exists() and not file.read_text().strip():
                    file.write_text((tree.parent / name).read_text())
        binds = []
        for place in STATE:
            here = self.directory / f"state{place.replace('/', '-')}"
            here.mkdir(exist_ok=True)
            binds.append(f"--bind={here}:{place}")
        is_v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        legacy = ["systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
        environment = os.environ | {
            "SYSTEMD_SECCOMP": "0",
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
            "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
            "SYSTEMD_NSPAWN_LOCK": "0",
        }
        argv = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", STAGE, "stage"),
            *(str(self.root), self._options, *map(str, self._cgroups), "--"),
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"),
            *(f"--machine={self.name}", f"--hostname={self.suite}", "-D", str(self.root), *binds),
            *("--private-users=no", "--capability=all", "--link-journal=no", "--resolv-conf=off"),
            *("--timezone=off", "--console=read-only", "--kill-signal=SIGRTMIN+3"),
            *("/bin/sh", "-c", PREINIT, "init", *(legacy if is_v1 else [])),
        ]
        with (self.directory / "console").open("ab") as console:
            self._nspawn = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._wait_up(seconds)

    def _wait_up(self, seconds: float) -> None:
        assert self._nspawn is not None
        end = time.monotonic() + seconds
        state = "no systemd"
        while time.monotonic() < end:
            if self._nspawn.poll() is not None:
                raise MachineError(f"the machine stopped while booting:\n{self.console()}")
            self.pid = _first_process(self._nspawn.pid)
            if self.pid:
                state = self.run("systemctl is-system-running", timeout=10).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.1)
        raise MachineError(f"not booted after {seconds} s ({state}):\n{self.console()}")

    def console(self) -> str:
        """The last words on its console."""
        text = (self.directory / "console").read_text(errors="replace")
        return "\n".join(text.splitlines()[-30:])

    def reboot(self, *, hard: bool = False) -> None:
        """Shut down in good order, or lose power, and boot again from the same disk."""
        if hard:
            self.cut_power()
        else:
            self.shut_down()
        self.boot()

    def shut_down(self, seconds: float = 60) -> None:
        """Switch off in good order."""
        assert self._nspawn is not None
        os.kill(self._nspawn.pid, signal.SIGTERM)
        self._nspawn.wait(seconds)
        self._forget()

    def cut_power(self) -> None:
        """Switch off at once; harmless when it is off."""
        if self._nspawn is None:
            return
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._nspawn.kill()
        self._nspawn.wait()
        self._forget()

    def _forget(self) -> None:
        self._nspawn, self.pid = None, 0
        for tree in self._cgroups:
            for _ in poll(f"the cgroup {tree} to be empty"):
                if _remove_groups(tree):
                    break

    def command(self, *argv: str) -> list[str]:
        """A command to be run inside, in a clean environment."""
        environment = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root", "LANG=C.UTF-8", "USER=root",
        ]  # fmt: skip
        namespaces = ["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        return ["nsenter", "-t", str(self.pid), *namespaces, "--", "env", "-i", *environment, *argv]

    def run(
        self, line: str, *, stdin: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Type a line into a root shell inside; the caller judges the exit status."""
        return subprocess.run(
            self.command("bash", "-c", line),
            input=stdin, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    def check(self, line: str, *, timeout: float = 60) -> str:
        """Type a line that must succeed; what it printed."""
        done = self.run(line, timeout=timeout)
        assert done.returncode == 0, (
            f"{self.suite}# {line}\n{done.stdout}{done.stderr}exit status {done.returncode}"
        )
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file inside, as an editor does."""
        done = self.run(f'mkdir -p "$(dirname {path})" && cat > {path}', stdin=content)
        assert done.returncode == 0, done.stderr


def _cgroup_trees() -> list[str]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [words[1] for words in lines if words[2] in ("cgroup", "cgroup2")]


def _first_process(nspawn: int) -> int:
    """The descendant that is PID 1 in a PID namespace of its own, 0 while there is none."""
    waiting = children(nspawn)
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                words = line.split()
                if words[0] == "NSpid:" and len(words) > 2 and words[-1] == "1":
                    return pid
        waiting += children(pid)
    return 0


def _remove_groups(tree: Path) -> bool:
    """Remove a cgroup with all below it; False while something still runs there."""
    for folder, _, _ in os.walk(tree, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            try:
                os.rmdir(folder)
            except OSError:
                for pid in (Path(folder) / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                return False
    return True
