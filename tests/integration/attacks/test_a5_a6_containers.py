"""A5 (CVE-2025-9074) and A6 (CVE-2020-15257): no way from a container to the engine's API.

A container looks for it at its gateway and at every address of the host, and, with the host's
network, for abstract sockets. Guard off: `--allow-api-from-containers`; an abstract socket of
somebody else's, which the same look must find.
"""

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root

LISTEN = ("-H", "tcp://0.0.0.0:2375", "--allow-plain-tcp")
HOST_ADDRESS = "192.0.2.55"
# busybox's own wget needs a resolver; sleep keeps nc from ending at the end of its input.
ASK = """for a in {}; do
(printf 'GET /_ping HTTP/1.0\\r\\n\\r\\n'; sleep 1) | nc -w 3 $a 2375 |
grep -q '^OK$' && echo "OK $a"
done"""


@contextlib.contextmanager
def running(*flags: str) -> Iterator[Daemon]:
    with Daemon(*LISTEN, *flags) as daemon:
        pair = ("lan", "type", "veth", "peer", "name", "lan1")
        daemon.namespaces.check("ip", "link", "add", *pair)
        daemon.namespaces.check("ip", "link", "set", "lan1", "up")
        daemon.namespaces.check("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", "lan")
        daemon.namespaces.check("ip", "link", "set", "lan", "up")
        daemon.start()
        daemon.load_busybox()
        yield daemon


def reached(daemon: Daemon, *flags: str) -> list[str]:
    """Addresses by which a container gets an answer of the API."""
    targets = (
        f"$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p') {HOST_ADDRESS} 127.0.0.1"
    )
    done = daemon.docker("run", "--rm", *flags, "busybox", "sh", "-c", ASK.format(targets))
    return [line.removeprefix("OK ") for line in done.stdout.split("\n") if line]


def test_a_container_reaches_no_listener_unless_asked_for() -> None:
    with running() as daemon:
        daemon.docker("network", "create", "own")
        assert reached(daemon) == []
        assert reached(daemon, "--network", "own") == []
        assert "--allow-api-from-containers" in daemon.log()
        # The twin: others reach it, by the same addresses.
        for address in ("127.0.0.1", HOST_ADDRESS):
            assert daemon.namespaces.check("curl", "-s", f"http://{address}:2375/_ping") == "OK"
    with running("--allow-api-from-containers") as daemon:
        assert HOST_ADDRESS in reached(daemon), "the attack must be able to succeed"


def test_a_listener_on_the_bridges_own_address_was_asked_for() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        gateway = daemon.json("GET", "/networks/bridge")["IPAM"]["Config"][0]["Gateway"]
        daemon.restart("-H", f"tcp://{gateway}:2375", "--allow-plain-tcp")
        assert reached(daemon) == [gateway]


def abstract_sockets(daemon: Daemon) -> list[str]:
    """Names of abstract sockets as a container with the host's network sees them."""
    done = daemon.docker(
        *("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix"),
    )
    assert done.returncode == 0, done.stderr
    return [row.split()[-1] for row in done.stdout.splitlines()[1:] if row.split()[-1][0] == "@"]


def test_no_socket_of_ours_is_abstract(daemon: Daemon) -> None:
    daemon.load_busybox()
    daemon.docker("run", "-d", "-t", "busybox", "sleep", "60")
    assert abstract_sockets(daemon) == []
    # The look itself finds one that is there.
    inside = daemon.namespaces
    maker = (
        "import socket,sys;s=socket.socket(1);s.bind('\\0decoy');print(flush=True);sys.stdin.read()"
    )
    with subprocess.Popen(
        inside.command("python3", "-c", maker), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as decoy:
        assert decoy.stdout is not None
        decoy.stdout.readline()
        assert abstract_sockets(daemon) == ["@decoy"]
        decoy.communicate()


def connects_as_nobody(path: Path) -> bool:
    """Whether a user without rights gets through to a socket of the supervisor's."""
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
                probe.connect(str(path))
                status = 0
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_supervisors_socket_is_roots_alone(daemon: Daemon) -> None:
    path = daemon.exec_root / "supervisor.sock"
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    daemon.directory.chmod(0o755)
    daemon.exec_root.chmod(0o755)
    assert not connects_as_nobody(path)
    path.chmod(0o666)
    assert connects_as_nobody(path), "without its mode the attack must be able to succeed"
