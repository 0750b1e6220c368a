"""A scratch machine: network, mount and PID namespaces of their own, gone with one process.

Whatever runs inside can be seen and counted (`processes`, `mounts`, `links`, `tables`), and dies
when the holder, which is PID 1 inside, is killed: nothing of a failed test stays on the machine.
The file system is shared with the outside, mounts are not.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# PID 1 must reap: `wait` of a shell does, also for children that it did not start.
HOLDER = """
ip link set lo up
sleep infinity &
echo ready
wait
"""


class Namespaces:
    """Namespaces of their own, until `close`; a context manager."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--propagation", "private"),
                *("--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", HOLDER),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # also where unshare complains when its child is killed
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self._holder.kill()
            raise RuntimeError(f"no namespaces: {self._holder.communicate()[1]}")
        self.pid = children(self._holder.pid)[0]
        """Host's view of PID 1 inside."""
        self._own = {self.pid, *children(self.pid)}

    def __enter__(self) -> "Namespaces":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything inside and wait until it is gone."""
        if self._holder.poll() is not None:
            return
        orphans = [pid for pid in self.processes() if _parent(pid) == os.getpid()]
        os.kill(self.pid, signal.SIGKILL)
        # A client of a supervisor makes this process a subreaper: nobody else will reap them,
        # and their namespace waits until somebody did.
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._holder.communicate(timeout=30)

    def command(self, *argv: str) -> list[str]:
        """`argv`, to be run inside; its exit status and signals become nsenter's own."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--", *argv]

    def run(
        self,
        *argv: str,
        stdin: str = "",
        timeout: float = 60,
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and capture what it says; the caller judges its exit status."""
        return subprocess.run(
            self.command(*argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=None if environment is None else os.environ | environment,
        )

    def check(self, *argv: str) -> str:
        """Run a program inside that must succeed; returns its standard output."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def join(self, other: "Namespaces", address: str, other_address: str) -> None:
        """Connect with other namespaces by a veth pair, `eth0` in both; addresses are CIDR."""
        line = f"ip link add eth0 netns {self.pid} type veth peer name eth0 netns {other.pid}"
        subprocess.run(line.split(), check=True)
        for side, cidr in ((self, address), (other, other_address)):
            side.check("ip", "address", "add", cidr, "dev", "eth0")
            side.check("ip", "link", "set", "eth0", "up")

    def processes(self) -> dict[int, str]:
        """Command lines of all processes inside, by the host's PID, but for the holder's own."""
        inside = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) in self._own:
                continue
            with contextlib.suppress(OSError):  # it ended meanwhile, or is a zombie
                if os.readlink(f"/proc/{entry}/ns/pid") == inside:
                    words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    found[int(entry)] = b" ".join(words).decode(errors="replace").strip()
        return found

    def mounts(self) -> list[str]:
        """Mount points inside."""
        lines = Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return [line.split()[4] for line in lines]

    def links(self) -> list[str]:
        """Names of network links inside, without `lo` (and without `@peer`)."""
        lines = self.check("ip", "-o", "link").splitlines()
        names = [line.split(": ")[1].partition("@")[0] for line in lines]
        return [name for name in names if name != "lo"]

    def tables(self) -> list[str]:
        """Tables of nftables inside, as `nft list tables` prints them."""
        return self.check("nft", "list", "tables").splitlines()


def inside(namespaces: Namespaces, address: tuple[str, int]) -> socket.socket:
    """A TCP connection made inside, for use outside: a socket stays where it was born."""
    program = (
        "import array,socket;"
        f"c=socket.create_connection({address!r});"
        "s=socket.socket(fileno=0);"
        "s.sendmsg([b'x'],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array('i',[c.fileno()]))])"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = namespaces.command("python3", "-c", program)
        subprocess.run(argv, stdin=theirs, check=True, timeout=20)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=fds[0])


def children(pid: int) -> list[int]:
    """Child processes of a process; none if it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def poll(what: str, seconds: float = 15) -> Iterator[None]:
    """Loop until the caller breaks; fails after `seconds`. For states that nothing announces."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.01)
    raise TimeoutError(f"not within {seconds:g} s: {what}")


def descendant(pid: int, program: Sequence[str]) -> int:
    """The first child of `nsenter`, once it runs; `program` is for the message."""
    for _ in poll(f"{program} to start"):
        if found := children(pid):
            return found[0]
    raise AssertionError("poll ends by itself")


def _parent(pid: int) -> int:
    """Parent of a process, 0 for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0
