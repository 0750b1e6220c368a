"""`wharfie registry up`, `down` and `status`: a registry of this machine, beside the daemon.

It is a process of its own, `wharfie-registry serve`, that outlives this command; what is known of
it is on its control socket `<root>/wharfie/control.sock`.
"""

from __future__ import annotations

import os
import sys

from wharfie.cli.command import Command
from wharfie.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

    from wharfie.cli.context import Context
    from wharfie.formats.pflag import Values

DEFAULT_ROOT = "/var/lib/wharfie-registry"
UP_FLAGS = f"""
    --addr string  Address to listen on (default ":5000")
    --config string  Configuration file, Docker's or our own
    --root string  Directory the images are kept in (default "{DEFAULT_ROOT}")
"""
ROOT_FLAGS = f"""
    --root string  Directory the images are kept in (default "{DEFAULT_ROOT}")
"""
_SOCKET = "wharfie/control.sock"
_LOG = "wharfie/registry.log"
_PATIENCE = 30.0
_PAUSE = 0.02
_TAIL = 2000


def run_up(context: Context, values: Values) -> int:
    """Start a registry, unless one serves that directory already."""
    _check_local(context)
    root = os.path.abspath(values.text("root"))
    if _pid_of(root):
        context.note(f"a registry serves {root} already")
        return 0
    words = [_program(), "serve", "--root", root]
    if values.has("addr") or not values.text("config"):
        words += ["--addr", values.text("addr")]
    if values.text("config"):
        words.append(os.path.abspath(values.text("config")))
    log = f"{root}/{_LOG}"
    try:
        os.makedirs(os.path.dirname(log), exist_ok=True)
        start = os.path.getsize(log) if os.path.exists(log) else 0
        process = _start(words, log)
    except OSError as error:
        raise CommandError(f"cannot start a registry in {root}: {error.strerror}") from None
    _wait(process, root, log, start)
    context.say(f"registry of {root} started, log in {log}")
    return 0


def run_down(context: Context, values: Values) -> int:
    """Stop the registry of a directory; what it keeps stays."""
    import signal
    import time

    root = os.path.abspath(values.text("root"))
    pid = _pid_of(root)
    if not pid:
        raise CommandError(f"no registry serves {root}")
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        # Asked again: the number may have become somebody else's since.
        if _pid_of(root) == pid:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE
        while _pid_of(root) == pid:
            if time.monotonic() > until:
                raise CommandError(f"the registry of {root} (process {pid}) does not end")
            time.sleep(_PAUSE)
    except PermissionError:
        raise CommandError(f"process {pid} is not yours to stop") from None
    finally:
        os.close(handle)
    context.say(f"registry of {root} stopped")
    return 0


def run_status(_context: Context, values: Values) -> int:
    """Tell what the registry of a directory is doing."""
    root = os.path.abspath(values.text("root"))
    if not _pid_of(root):
        raise CommandError(f"no registry serves {root}")
    sys.stdout.flush()
    os.execv(_program(), [_program(), "status", "--root", root])  # noqa: S606 - our own program


def _check_local(context: Context) -> None:
    from wharfie.cli.connection import resolve_endpoint

    if resolve_endpoint(context.globals, context.config).scheme != "unix":
        raise CommandError("a registry is started beside a local daemon: run this on its machine")


def _program() -> str:
    """`wharfie-registry`, beside this very program."""
    program = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "wharfie-registry")
    if not os.access(program, os.X_OK):
        raise CommandError(f"{program} is not there: install Wharfie whole")
    return program


def _start(words: list[str], log: str) -> subprocess.Popen[bytes]:
    import subprocess

    with open(log, "ab") as output:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], root: str, log: str, start: int) -> None:
    """Return once it serves; raise what its log says when it ends instead."""
    import time

    until = time.monotonic() + _PATIENCE
    while _pid_of(root) != process.pid:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            with open(log, "rb") as file:
                file.seek(start)
                said = file.read()[-_TAIL:].decode(errors="replace").strip()
            raise CommandError(said or f"the registry ended at once; see {log}")
        time.sleep(_PAUSE)
    # It is nobody's child from here on, and no zombie of ours.
    process.returncode = 0


def _pid_of(root: str) -> int:
    """Process that serves a directory, 0 for none."""
    import socket
    import struct

    try:
        folder = os.open(os.path.dirname(f"{root}/{_SOCKET}"), os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5.0)
            # By descriptor: a root's path may be longer than a socket's may.
            probe.connect(f"/proc/self/fd/{folder}/{os.path.basename(_SOCKET)}")
            found = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", found)[0])
    except PermissionError:
        raise CommandError(f"{root} is not yours: run this as its owner") from None
    except OSError:
        return 0
    finally:
        os.close(folder)


UP = Command(run_up, "Start a registry on this machine", flags=UP_FLAGS)
DOWN = Command(run_down, "Stop the registry of this machine; its images stay", flags=ROOT_FLAGS)
STATUS = Command(run_status, "Show what the registry of this machine is doing", flags=ROOT_FLAGS)
