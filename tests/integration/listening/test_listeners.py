"""`-H` on a live daemon: activation, several at once, safe defaults, who is in the way."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import activating
from support.daemon import BIN, Daemon

pytestmark = pytest.mark.root

ACTIVATOR = (sys.executable, str(Path(activating.__file__)))


def activated(*sockets: str, tls: bool = False, flags: tuple[str, ...] = ()) -> Daemon:
    program = (*ACTIVATOR, *sockets, "--", str(BIN / "wharfied"))
    return Daemon(*flags, tls=tls, program=program)


def curl(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return daemon.namespaces.run("curl", "-sS", "--max-time", "10", *arguments)


def answer(daemon: Daemon, *arguments: str) -> str:
    done = curl(daemon, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def failure(daemon: Daemon, *flags: str) -> str:
    """What a daemon says that must not come up."""
    with pytest.raises(RuntimeError, match="ended with 1"):
        daemon.start(*flags)
    return daemon.log()


def certified(daemon: Daemon) -> list[str]:
    certs = daemon.certs
    return [
        "--cacert",
        f"{certs}/ca.pem",
        "--cert",
        f"{certs}/cert.pem",
        "--key",
        f"{certs}/key.pem",
    ]


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon called by dockerd's name."""
    (tmp_path / "dockerd").symlink_to(BIN / "wharfied")
    with Daemon(program=[str(tmp_path / "dockerd")]) as daemon:
        yield daemon


def test_several_listeners_serve_at_once(tmp_path: Path) -> None:
    with Daemon() as daemon:
        second = daemon.directory / "second.sock"
        daemon.start(
            *(
                "-H",
                f"unix:/{second}",
                f"-Hunix://{second}",
                f"--host=unix://{daemon.directory}/./d.sock",
            ),
            *("-H", "tcp://127.0.0.1:2375", "-H", "tcp://localhost:2375", "-H", "tcp://[::1]"),
        )
        for arguments in (
            ["--unix-socket", str(second), "http://x/_ping"],
            ["http://127.0.0.1:2375/_ping"],
            ["http://[::1]:2375/_ping"],
        ):
            assert answer(daemon, *arguments) == "OK"
        assert "left out" in daemon.log()
        listening = daemon.namespaces.check("ss", "-Hltnp")
        assert listening.count(":2375") == 2
        assert "wharfied" in listening
        assert daemon.stop() == 0
        assert not second.exists()


def test_activated_sockets_by_all_number_and_name() -> None:
    directory = Path("/tmp")
    path = directory / f"wd-act-{os.getpid()}.sock"
    sockets = (f"docker.socket=unix:{path}", "tcp.socket=tcp:127.0.0.1:2375")
    try:
        for host, unix, tcp in (
            ("fd://", True, True),
            ("fd://*", True, True),
            ("fd://3", True, False),
            ("fd://tcp.socket", False, True),
        ):
            with activated(*sockets) as daemon:
                daemon.start("-H", host)
                for expected, arguments in (
                    (unix, ["--unix-socket", str(path), "http://x/_ping"]),
                    (tcp, ["http://127.0.0.1:2375/_ping"]),
                ):
                    done = curl(daemon, *arguments)
                    assert (done.stdout == "OK") is expected, (host, arguments, done.stderr)
                assert daemon.stop() == 0
            assert path.exists(), "the service manager's socket is not ours to remove"
            path.unlink()
    finally:
        path.unlink(missing_ok=True)


def test_activated_tcp_of_both_families_is_encrypted_and_unix_is_not() -> None:
    """The CoreOS unit of the seeds: ListenStream=2376, BindIPv6Only=both, no hosts key (D13)."""
    path = Path(f"/tmp/wd-act-tls-{os.getpid()}.sock")
    with activated(f"a=unix:{path}", "b=tcp::::2399", tls=True) as daemon:
        try:
            daemon.start("-H", "fd://")
            for host in ("127.0.0.1", "localhost"):
                assert answer(daemon, *certified(daemon), f"https://{host}:2399/_ping") == "OK"
            refused = curl(daemon, "-k", "https://127.0.0.1:2399/_ping")
            assert refused.returncode
            plain = curl(daemon, "--http0.9", "http://127.0.0.1:2399/_ping")
            assert "Client sent an HTTP request to an HTTPS server." in plain.stdout
            assert answer(daemon, "--unix-socket", str(path), "http://x/_ping") == "OK"
        finally:
            path.unlink(missing_ok=True)


def test_without_activation_fd_is_refused_in_dockerds_words() -> None:
    with Daemon() as daemon:
        assert "no sockets found via socket activation: make sure the service was started by systemd" in failure(daemon, "-H", "fd://")  # noqa: E501 # fmt: skip


def test_plain_tcp_off_loopback_needs_a_second_word() -> None:
    with Daemon() as daemon:
        said = failure(daemon, "-H", "tcp://0.0.0.0:2375")
        assert "insist with --allow-plain-tcp" in said
        assert "--tlsverify" in said
        assert "Traceback" not in said
        assert not daemon.socket.exists(), "nothing is left open"
    for word in ("--allow-plain-tcp", "--tls=false"):
        with Daemon() as daemon:
            daemon.start("-H", "tcp://0.0.0.0:2375", word)
            assert answer(daemon, "http://127.0.0.1:2375/_ping") == "OK"
            warned(daemon)


def warned(daemon: Daemon) -> None:
    """Docker's warnings are in log and info, and the genuine client prints them."""
    assert "Binding to IP address without --tlsverify is insecure" in daemon.log()
    info = daemon.json("GET", "/info")
    warning = "WARNING: API is accessible on http://0.0.0.0:2375 without encryption."
    assert any(text.startswith(warning) for text in info["Warnings"])
    assert warning in daemon.docker("info").stderr


def test_called_as_dockerd_plain_tcp_is_served_with_warnings(dockerd: Daemon) -> None:
    dockerd.start("-H", "tcp://0.0.0.0:2375")
    assert answer(dockerd, "http://127.0.0.1:2375/_ping") == "OK"
    warned(dockerd)
    comm = Path(f"/proc/{dockerd.pid}/comm").read_text().strip()
    assert comm == "dockerd"
    assert "dockerd" in dockerd.namespaces.check("ss", "-Hltnp")


def test_a_taken_address_names_its_holder(daemon: Daemon) -> None:
    state = daemon.directory / "second"
    for host in (daemon.host, "tcp://127.0.0.1:2375"):
        if host.startswith("tcp"):
            daemon.restart("-H", host)
        done = daemon.namespaces.run(
            *(str(BIN / "wharfied"), "-H", host, "--pidfile", ""),
            *("--data-root", f"{state}/data", "--exec-root", f"{state}/exec"),
        )
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert re.fullmatch(
            rf"failed to start daemon: cannot listen on {host}: wharfied \(PID \d+\) listens there "
            "already: stop it, or use another address",
            line,
        )
    assert daemon.request("GET", "/_ping")[0] == 200


def test_clients_that_come_during_the_start_are_answered() -> None:
    """The socket listens long before the daemon is ready (B13)."""
    with Daemon() as daemon:
        daemon.start(wait=False)
        deadline = time.monotonic() + 20
        client = socket.socket(socket.AF_UNIX)
        with contextlib.closing(client):
            client.settimeout(20)
            while True:
                try:
                    client.connect(str(daemon.socket))
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert json.loads(daemon.request("GET", "/info")[1])["ID"]


def test_a_killed_daemon_leaves_a_socket_that_the_next_takes_over(daemon: Daemon) -> None:
    for _ in range(3):
        daemon.kill9()
        assert daemon.socket.exists()
        daemon.start()


def test_a_port_the_daemon_listens_on_cannot_be_published() -> None:
    with Daemon("-H", "tcp://0.0.0.0:2375", "--allow-plain-tcp") as daemon:
        daemon.start()
        daemon.load_busybox()
        taken = daemon.docker("run", "--rm", "-p", "2375:80", "busybox", "true")
        assert taken.returncode == 125
        assert "2375" in taken.stderr
        assert daemon.docker("run", "--rm", "-p", "2377:80", "busybox", "true").returncode == 0
        assert answer(daemon, "http://127.0.0.1:2375/_ping") == "OK"
