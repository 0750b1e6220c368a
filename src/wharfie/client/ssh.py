"""Reach a daemon over ssh: `docker system dial-stdio` at the other end of an ssh session.

The user's own `ssh` is run, with the user's keys, agent, known hosts and `~/.ssh/config`. All
sessions of a command, and of the commands of the next minute, share one connection: unless the
user's configuration already has a ControlPath for the host, ours is a socket in a directory that
only this user can enter. Its standard streams are a socket pair, so that a half-closed stream
stays one; its complaints go to a file and become part of our error.

SIGINT is blocked in it: an interrupted `docker run` forwards the signal to the container, and
needs the session for that. When this program dies, so does it.
"""

from __future__ import annotations

import _socket
import os
import signal
import stat
import sys

from wharfie.client.dialing import RECEIVE, Stream
from wharfie.client.errors import Cause, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wharfie.client.endpoint import Endpoint

CONNECT_SECONDS = 30
PERSIST_SECONDS = 60
_LONGEST_CONTROL_DIR = 45  # `%C` is 40 characters, ssh adds 18 while it makes the socket
_MOST_COMPLAINTS = 8192
_NOT_EXECUTABLE = 126
# whether the user's configuration has a control path: asked once a host and program run
_own_paths: dict[str, bool] = {}
_PR_SET_PDEATHSIG = 1


class SshStream(Stream):
    """The standard streams of an ssh session."""

    def __init__(self, sock: _socket.socket, pid: int, complaints: int, command: list[str]) -> None:
        super().__init__(sock)
        self._pid = pid
        self._complaints = complaints
        self._command = command

    def recv(self, size: int = RECEIVE) -> bytes:
        """Return some bytes; empty at the end of the stream.

        Raises:
            TransportError: ssh ended because something went wrong.
        """
        try:
            data = super().recv(size)
        except TransportError:
            data = b""  # it ended before it had read everything: its exit status says why
        if not data and self._pid:
            code = self._reap()
            if code:
                raise TransportError(self._failure(code), kind="ssh", cause=Cause.SSH)
        return data

    def _reap(self) -> int:
        pid, self._pid = self._pid, 0
        try:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return 0  # somebody else has waited for it: nothing is known to be wrong

    def _failure(self, code: int) -> str:
        said = os.pread(self._complaints, _MOST_COMPLAINTS, 0).decode("utf-8", "replace")
        how = f"exit status {code}" if code > 0 else f"signal {-code}"
        return (
            f"command [{' '.join(self._command)}] has exited with {how}, make sure the URL is"
            f" valid, and Docker 18.09 or later is installed on the remote host: stderr={said}"
        )

    def close(self) -> None:
        """Let go of the session; ssh ends as its input does."""
        super().close()
        if self._pid:
            try:
                os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                pass
        if self._complaints >= 0:
            os.close(self._complaints)
            self._complaints = -1


def dial_ssh(endpoint: Endpoint) -> Stream:
    """Start a session, which ends with the thread that calls this.

    Raises:
        TransportError: there is no ssh program. All else shows when the first byte is read.
    """
    import shutil

    if not hasattr(os, "fork"):
        raise TransportError("ssh connections need a system with fork", kind="ssh")
    program = shutil.which("ssh")
    if program is None:
        message = 'exec: "ssh": executable file not found in $PATH'
        raise TransportError(message, kind="ssh", cause=Cause.SSH)
    plain = ssh_words(endpoint)
    command = ["ssh", *_sharing(plain), *plain[1:], *remote_words(endpoint)]
    ours, theirs = _socket.socketpair()
    complaints = _scratch_file()
    die_with = _parents_death()
    pid = _fork()
    if pid == 0:
        try:
            die_with()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            for target, source in enumerate((theirs.fileno(), theirs.fileno(), complaints)):
                os.dup2(source, target)
            os.execv(program, command)  # noqa: S606 - there is no shell to go through
        finally:
            os._exit(_NOT_EXECUTABLE)
    theirs.close()
    return SshStream(ours, pid, complaints, command)


def _fork() -> int:
    """Fork; other threads may hold locks, and the child takes none before it becomes ssh."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which is about those locks
        return os.fork()


def _parents_death() -> Callable[[], None]:
    """Return what makes the calling process end with its parent, where the system can do that.

    A session whose input has ended would otherwise notice only with the next output.
    """
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)

    return ask


def ssh_words(endpoint: Endpoint) -> list[str]:
    """Return the command line of ssh up to and with the host."""
    words = ["ssh", "-o", f"ConnectTimeout={CONNECT_SECONDS}", "-T"]
    if endpoint.user:
        words += ["-l", endpoint.user]
    if endpoint.port:
        words += ["-p", str(endpoint.port)]
    return [*words, "--", endpoint.host]


def remote_words(endpoint: Endpoint) -> list[str]:
    """Return what is run there: `docker`, or `wharfie` where nothing is called `docker`.

    The words go through the login shell of the other side, whichever that is: one `sh` command
    in single quotes is understood by all of them.
    """
    verb = "system dial-stdio"
    if endpoint.path:
        verb = f"--host {_quoted('unix://' + endpoint.path)} {verb}"
    script = f"command -v docker >/dev/null 2>&1 && exec docker {verb}; exec wharfie {verb}"
    return ["sh", "-c", _quoted(script)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _sharing(plain: list[str]) -> list[str]:
    """Return the options that share one connection; none where the user arranged that already."""
    key = " ".join(plain)
    if key not in _own_paths:
        _own_paths[key] = _has_control_path(plain)
    if _own_paths[key]:
        return []
    folder = control_directory()
    if not folder:
        return []
    return [
        *("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C"),
        *("-o", f"ControlPersist={PERSIST_SECONDS}"),
    ]


def _has_control_path(plain: list[str]) -> bool:
    """Tell whether the user's ssh configuration names a control path for the host."""
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawnp(
            "ssh",
            ["ssh", "-G", *plain[1:]],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    except OSError:
        os.close(reader)
        return False  # the session itself will tell that there is no ssh
    finally:
        os.close(writer)
    with open(reader, "rb") as file:
        lines = file.read().splitlines()
    os.waitpid(pid, 0)
    paths = [line[12:].strip() for line in lines if line.startswith(b"controlpath ")]
    return any(path and path != b"none" for path in paths)


def control_directory() -> str:
    """Return the directory of our control sockets; empty where there can be no safe one.

    Whoever can write there could put a socket of their own in the place of a connection, and
    whoever can connect to one is logged in as we are: it is ours, and nobody else's, or unused.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    folder = f"{base}/wharfie-ssh-{os.getuid()}"
    if len(folder) > _LONGEST_CONTROL_DIR or any(char in folder for char in "% \t\n\"'"):
        folder = f"/tmp/wharfie-ssh-{os.getuid()}"
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return ""
    try:
        found = os.lstat(folder)
    except OSError:
        return ""
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    return folder if private and found.st_uid == os.getuid() else ""


def _scratch_file() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
