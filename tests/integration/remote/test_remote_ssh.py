"""`ssh://` with Debian's openssh: our client and the genuine one, against a machine of ours."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.genuine_cli import docker_cli
from support.netns import poll
from support.openssh import SshServer

pytestmark = pytest.mark.root


@dataclass
class Machine:
    daemon: Daemon
    ssh: SshServer
    home: Path

    @property
    def url(self) -> str:
        return f"ssh://root@machine{self.daemon.socket}"

    def argv(self, program: str, *arguments: str, url: str = "") -> list[str]:
        command = self.daemon.namespaces.command(program, *arguments)
        settings = {"DOCKER_HOST": url or self.url, "HOME": str(self.home)}
        settings |= {"XDG_RUNTIME_DIR": str(self.home), "DOCKER_CONFIG": str(self.home)}
        return [*command[:-len(arguments) - 1], "env", *(f"{k}={v}" for k, v in settings.items()),
                program, *arguments]  # fmt: skip

    def run(
        self, *arguments: str, program: str = str(BIN / "wharfie"), stdin: str = "", url: str = ""
    ) -> subprocess.CompletedProcess[str]:
        argv = self.argv(program, *arguments, url=url)
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    home = tmp_path_factory.mktemp("h")
    with Daemon() as daemon:
        programs = {"docker": str(BIN / "wharfie")}
        with SshServer(daemon.namespaces, programs) as server:
            daemon.start()
            daemon.load_busybox()
            # Short, as it is to hold control sockets.
            short = server.directory / "home"
            short.mkdir(mode=0o700)
            yield Machine(daemon, server, short)
            del home


PROGRAMS = [pytest.param(str(BIN / "wharfie"), id="wharfie"), pytest.param("", id="docker")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_container_runs_over_ssh(machine: Machine, program: str) -> None:
    program = program or docker_cli()
    done = machine.run("run", "--rm", "busybox", "echo", "hello", program=program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert (
        machine.run("run", "--rm", "busybox", "sh", "-c", "exit 7", program=program).returncode == 7
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_standard_input_ends_before_the_output_does(machine: Machine, program: str) -> None:
    program = program or docker_cli()
    script = "cat; echo rest"
    text = "line\n" * 30000
    done = machine.run(
        "run", "-i", "--rm", "busybox", "sh", "-c", script, stdin=text, program=program
    )
    assert done.returncode == 0
    assert done.stdout == text + "rest\n"


def test_all_sessions_share_one_connection(machine: Machine) -> None:
    before = machine.ssh.connections()
    for _ in range(3):
        assert machine.run("run", "--rm", "busybox", "true").returncode == 0
    assert machine.ssh.connections() - before <= 1
    sockets = list(machine.home.glob("wharfie-ssh-0/*"))
    assert len(sockets) == 1
    assert machine.home.joinpath("wharfie-ssh-0").stat().st_mode & 0o777 == 0o700


def test_more_sessions_at_once_than_a_server_allows_on_one_connection(machine: Machine) -> None:
    """sshd's MaxSessions is 10: what is refused goes by a connection of its own."""
    argv = machine.argv(str(BIN / "wharfie"), "run", "--rm", "busybox", "sh", "-c", "sleep 2")
    machine.run("version")
    clients = [subprocess.Popen(argv, stdin=subprocess.DEVNULL) for _ in range(8)]
    assert [client.wait(60) for client in clients] == [0] * 8


def test_a_directory_others_can_enter_is_not_used_for_sharing(machine: Machine) -> None:
    folder = machine.home / "wharfie-ssh-0"
    machine.run("version")
    folder.chmod(0o755)
    try:
        before = machine.ssh.connections()
        assert machine.run("ps").returncode == 0
        assert machine.ssh.connections() > before
    finally:
        folder.chmod(0o700)


def test_the_users_own_control_path_is_kept(machine: Machine) -> None:
    config = machine.ssh.home / "config"
    saved = config.read_text()
    own = machine.ssh.directory / "own"
    config.write_text(f"{saved}  ControlMaster auto\n  ControlPath {own}\n  ControlPersist 20\n")
    try:
        assert machine.run("ps").returncode == 0
        assert own.is_socket()
    finally:
        machine.daemon.namespaces.run("ssh", "-O", "exit", "machine")
        config.write_text(saved)


def test_an_interrupted_run_tells_the_container(machine: Machine) -> None:
    """The session must outlive the terminal's ^C, which goes to the whole process group."""
    script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done"
    argv = machine.argv(str(BIN / "wharfie"), "run", "--rm", "busybox", "sh", "-c", script)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, start_new_session=True, stdin=subprocess.DEVNULL
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        interrupt(machine, client.pid)
        assert client.stdout.read() == "caught\n"
        assert client.wait(20) == 3


def interrupt(machine: Machine, leader: int) -> None:
    """As ^C at a terminal does, but for nsenter, which is the test's."""
    group = [pid for pid in machine.daemon.namespaces.processes() if in_group(pid, leader)]
    assert len(group) >= 2, "the client and its ssh"
    for pid in group:
        os.kill(pid, signal.SIGINT)


def in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except ProcessLookupError:
        return False


def test_a_gone_client_leaves_no_session(machine: Machine) -> None:
    argv = machine.argv(str(BIN / "wharfie"), "run", "--name", "left", "busybox", "sleep", "100")
    client = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def sessions() -> int:
        found = machine.daemon.namespaces.processes().values()
        return sum("/bin/docker --host" in line for line in found)

    def running() -> bool:
        found = machine.daemon.json("GET", "/containers/json")
        return isinstance(found, list) and len(found) == 1

    for _ in poll("the container to run"):
        if running():
            break
    inside = [
        pid for pid, line in machine.daemon.namespaces.processes().items() if " left " in line
    ]
    assert sessions()
    os.kill(inside[-1], signal.SIGKILL)
    client.wait(10)
    for _ in poll("the sessions to end"):
        if not sessions():
            break
    assert machine.daemon.request("DELETE", "/containers/left?force=1")[0] == 204


def test_what_ssh_complains_of_is_told(machine: Machine) -> None:
    done = machine.run("ps", url="ssh://root@127.0.0.1:1")
    assert done.returncode == 1
    assert "error during connect: " in done.stderr
    assert "has exited with exit status 255" in done.stderr
    assert "Connection refused" in done.stderr


def test_a_daemon_that_is_not_there_is_told(machine: Machine) -> None:
    done = machine.run("ps", url="ssh://root@machine/nonexistent.sock")
    assert done.returncode == 1
    assert "dial unix /nonexistent.sock: connect: no such file or directory" in done.stderr
