"""A `wharfied` of its own: scratch directories, scratch namespaces, and an eye on leftovers.

    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        daemon.docker("run", "--rm", "busybox", "true")

The daemon and its clients run inside `daemon.namespaces`; published ports, bridges and PIDs are
those of the inside. The unix socket is reachable from outside too.
"""

import contextlib
import datetime
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.genuine_cli import docker_cli
from support.netns import Namespaces, descendant, poll
from wharfie.engine.images.making.default_image import build_archive, find_busybox
from wharfie.pki.directory import Terms, create
from wharfie.pki.names import parse_hosts

BIN = Path(__file__).parents[2] / ".venv/bin"
STOP_SECONDS = 30.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the daemon's unix socket."""

    def __init__(self, path: Path, timeout: float = 30) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        # Unlike a blocking connect one with a timeout does not wait for room in the backlog.
        for _ in poll("room in the daemon's backlog"):
            with contextlib.suppress(BlockingIOError):
                self.sock.connect(str(self._path))
                return


class Daemon:
    """One daemon, started and stopped at will on the same state; a context manager.

    Args:
        flags: further flags of `wharfied`.
        tls: listen with mutual TLS on 127.0.0.1:2376 inside; clients find `certs`.
        program: what to start in the place of `wharfied`.
    """

    def __init__(
        self,
        *flags: str,
        tls: bool = False,
        program: Sequence[str] = (str(BIN / "wharfied"),),
    ) -> None:
        # Short, as the path of a unix socket may have 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="wd-", dir="/tmp"))
        self.namespaces = Namespaces()
        self.socket = self.directory / "d.sock"
        self.host = f"unix://{self.socket}"
        self.data_root = self.directory / "data"
        self.exec_root = self.directory / "exec"
        self.pidfile = self.directory / "d.pid"
        self.log_file = self.directory / "d.log"
        self.certs = self.directory / "certs"
        self.pid = 0
        """Host's view of the running daemon's PID, 0 when it is not running."""
        self._program = [*program]
        self._flags = [*flags]
        if tls:
            self.make_certs()
            self.tls_host = "tcp://127.0.0.1:2376"
            self._flags += ["-H", self.tls_host, "--tlsverify"]
            for flag, name in (("cacert", "ca"), ("cert", "server-cert"), ("key", "server-key")):
                self._flags.append(f"--tls{flag}={self.certs / name}.pem")
        self._process: subprocess.Popen[bytes] | None = None
        # A parent of their own tells this daemon's cgroups from everybody else's.
        self._cgroup_parent = self.directory.name
        self._first_mounts = self.namespaces.mounts()

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the daemon, by force if need be, and remove everything it left."""
        try:
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._wait(STOP_SECONDS)
        finally:
            self.namespaces.close()
            if self._process is not None:
                self._process.wait()
            for path in self._all_cgroups():
                with contextlib.suppress(OSError):
                    path.rmdir()
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, *flags: str, wait: bool = True) -> None:
        """Start the daemon, with these flags too, and wait until it answers."""
        assert not self.pid, "it is running already"
        argv = [
            *self._program,
            *("-H", self.host),
            *("--data-root", str(self.data_root), "--exec-root", str(self.exec_root)),
            *("--pidfile", str(self.pidfile), "--config-file", str(self.directory / "none.json")),
            *("--cgroup-parent", f"/{self._cgroup_parent}"),
            # Not systemd's, where it runs: it knows no processes of our namespace.
            *("--exec-opt", "native.cgroupdriver=cgroupfs"),
            *self._flags,
            *flags,
        ]
        (self.directory / "none.json").write_text("{}")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.namespaces.command(*argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self.pid = descendant(self._process.pid, argv)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 20) -> None:
        """Wait for an answer to /_ping."""
        assert self._process is not None
        for _ in poll(f"an answer of the daemon, which writes to {self.log_file}", seconds):
            if self._process.poll() is not None:
                self.pid = 0
                raise RuntimeError(f"wharfied ended with {self._process.returncode}:\n{self.log()}")
            try:
                status, body = self.request("GET", "/_ping")
            except OSError:
                continue
            assert (status, body) == (200, b"OK")
            return

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """End the daemon by SIGTERM; returns its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self._wait(seconds)

    def kill9(self) -> None:
        """End the daemon by SIGKILL: it gets no chance to put anything in order."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._wait(STOP_SECONDS) == -signal.SIGKILL

    def restart(self, *flags: str) -> None:
        """Stop in good order and start again."""
        assert self.stop() == 0, self.log()
        self.start(*flags)

    def wait_ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until a daemon that was told to end has; its exit status."""
        return self._wait(seconds)

    def _wait(self, seconds: float) -> int:
        assert self._process is not None
        status = self._process.wait(seconds)
        self.pid = 0
        return status

    def log(self) -> str:
        """All that the daemon said so far."""
        try:
            return self.log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def request(
        self, method: str, path: str, body: object = None, *, timeout: float = 30
    ) -> tuple[int, bytes]:
        """One API request over the unix socket; a body is sent as JSON."""
        with contextlib.closing(UnixConnection(self.socket, timeout)) as connection:
            data = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if data else {}
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, response.read()

    def json(self, method: str, path: str, body: object = None) -> object:
        """As `request`, for requests that must succeed; the reply decoded."""
        status, reply = self.request(method, path, body)
        assert status < 300, f"{method} {path}: {status} {reply.decode(errors='replace')}"
        return json.loads(reply) if reply else None

    def docker(
        self, *arguments: str, stdin: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the genuine docker CLI inside, over the unix socket."""
        return self._client(docker_cli(), arguments, stdin, timeout)

    def wharfie(
        self, *arguments: str, stdin: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run our own CLI inside, over the unix socket."""
        return self._client(str(BIN / "wharfie"), arguments, stdin, timeout)

    def _client(
        self, program: str, arguments: Sequence[str], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        environment = {"HOME": str(home), "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(home)}
        return self.namespaces.run(
            program, *arguments, stdin=stdin, timeout=timeout, environment=environment
        )

    def load_busybox(self, reference: str = "busybox:latest") -> None:
        """Give the daemon a busybox image."""
        archive = self.directory / "busybox.tar"
        archive.write_bytes(build_archive(find_busybox(), reference))
        with contextlib.closing(UnixConnection(self.socket)) as connection:
            headers = {"Content-Type": "application/x-tar"}
            connection.request("POST", "/images/load?quiet=1", archive.read_bytes(), headers)
            response = connection.getresponse()
            reply = response.read()
        assert response.status == 200, reply
        assert b'"error"' not in reply, reply

    def cgroups(self) -> list[Path]:
        """Cgroups below this daemon's own parent, innermost first."""
        return [path for path in self._all_cgroups() if path.name != self._cgroup_parent]

    def _all_cgroups(self) -> list[Path]:
        root = Path("/sys/fs/cgroup")
        parents = [*root.glob(self._cgroup_parent), *root.glob(f"*/{self._cgroup_parent}")]
        return [Path(folder) for top in parents for folder, _, _ in os.walk(top, topdown=False)]

    def leftovers(self) -> dict[str, list[str]]:
        """What is still there, by kind; kinds with nothing left are left out.

        `processes` (the daemon's own included while it runs), `mounts`, `cgroups`, `veths`,
        `bridges` (every other link), `tables` (of nftables).
        """
        links = self.namespaces.links()
        kinds = {
            "processes": list(self.namespaces.processes().values()),
            "mounts": [m for m in self.namespaces.mounts() if m not in self._first_mounts],
            "cgroups": [str(path) for path in self.cgroups()],
            "veths": [name for name in links if name.startswith("veth")],
            "bridges": [name for name in links if not name.startswith("veth")],
            "tables": self.namespaces.tables(),
        }
        return {kind: found for kind, found in kinds.items() if found}

    def make_certs(self) -> None:
        """Make a CA, a server's and a client's certificate in `certs`."""
        create(
            self.certs,
            parse_hosts(["localhost", "127.0.0.1"]),
            terms=Terms(now=datetime.datetime.now(datetime.UTC), days=2),
            ca_name="test",
            client_name="client",
        )
