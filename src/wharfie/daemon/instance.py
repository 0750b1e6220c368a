"""One daemon per data root, exec-root and pid file: locks, the pid file, the directories.

    <data-root>/volumes/metadata.db   locked as Docker locks its volume database (seeds D16)
    <exec-root>/daemon.lock           the supervisor below it serves one daemon
    pid file                          for people and init systems (seeds D15)

The locks are what counts: they die with their holder, and there is nothing to clean up after a
`kill -9` or a power cut. A data root that a genuine Docker uses is refused: our sweeps must not
meet its files.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time

from wharfie.daemon.config import Config

_FOREIGN = ("overlay2", "image", "buildkit", "network", "containerd")
_NAMES = ("dockerd", "wharfied")
LOCK_TIMEOUT = 1.0
"""Seconds another daemon is given to let go: it may be on its way out."""
_POLL = 0.05
_log = logging.getLogger(__name__)


class StartError(Exception):
    """The daemon cannot start; the text says why and what to do."""


class AlreadyRunning(StartError):
    """The pid file names a daemon that lives."""


class Instance:
    """The claim of this process on its directories and pid file."""

    def __init__(self, config: Config, *, timeout: float = LOCK_TIMEOUT) -> None:
        """Claim nothing yet.

        Args:
            config: names directories and pid file.
            timeout: seconds to wait for another daemon's lock.
        """
        self._config = config
        self._timeout = timeout
        self._locks: list[int] = []
        self._has_pidfile = False

    def claim(self) -> None:
        """Make the directories, take the locks, write the pid file.

        Raises:
            StartError: another daemon has them, or they cannot be used; nothing is kept.
        """
        config = self._config
        try:
            os.makedirs(config.data_root, mode=0o710, exist_ok=True)
            os.makedirs(config.exec_root, mode=0o711, exist_ok=True)
            os.makedirs(os.path.join(config.data_root, "tmp"), mode=0o700, exist_ok=True)
            os.makedirs(os.path.join(config.data_root, "volumes"), mode=0o701, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make {error.filename}: {error.strerror}") from None
        _refuse_foreign(config)
        self._check_pidfile()
        try:
            self._lock_volumes()
            self._lock_exec_root()
            self._write_pidfile()
        except StartError:
            self.release()
            raise

    def release(self) -> None:
        """Give up pid file and locks; idempotent."""
        if self._has_pidfile and _read_pid(self._config.pidfile) == os.getpid():
            os.unlink(self._config.pidfile)
        self._has_pidfile = False
        while self._locks:
            os.close(self._locks.pop())

    def _lock_volumes(self) -> None:
        path = os.path.join(self._config.data_root, "volumes", "metadata.db")
        holder = self._lock(path)
        if holder is not None:
            raise StartError(
                f"error while opening volume store metadata database ({path}): timeout\n"
                f"  {_describe(holder)} holds it: stop it first, or give this one a --data-root "
                "of its own"
            )

    def _lock_exec_root(self) -> None:
        path = os.path.join(self._config.exec_root, "daemon.lock")
        holder = self._lock(path)
        if holder is not None:
            raise StartError(
                f"{self._config.exec_root} is in use by another daemon ({_describe(holder)}): "
                "stop it first, or give this one an --exec-root of its own"
            )

    def _lock(self, path: str) -> str | None:
        """Take a lock and leave our PID in it; what is in it when another has it."""
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartError(f"cannot open {path}: {error.strerror}") from None
        end = time.monotonic() + self._timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
                    os.close(lock)
                    return holder
                time.sleep(_POLL)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._locks.append(lock)
        return None

    def _check_pidfile(self) -> None:
        path = self._config.pidfile
        pid = _read_pid(path) if path else None
        if pid is None or pid == os.getpid():
            return
        if _is_daemon(pid):
            raise AlreadyRunning(
                f"ensure docker is not running or delete {path}: process with PID {pid} is still "
                "running"
            )
        # The number may have been given to another process since.
        _log.info("replacing stale pid file %s of PID %d", path, pid)

    def _write_pidfile(self) -> None:
        path = self._config.pidfile
        if not path:
            return
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(temporary, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
            os.rename(temporary, path)
        except OSError as error:
            raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None
        self._has_pidfile = True


def _read_pid(path: str) -> int | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _is_daemon(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() in _NAMES
    except OSError:
        return False


def _describe(holder: str) -> str:
    if holder.isdecimal():
        return f"the daemon with PID {holder}"
    return "another process (a genuine Docker?)"


def _refuse_foreign(config: Config) -> None:
    root = config.data_root
    if os.path.exists(os.path.join(root, "engine.db")):
        return
    found = [name for name in _FOREIGN if os.path.isdir(os.path.join(root, name))]
    if found:
        raise StartError(
            f"{root} holds the data of another engine ({', '.join(found)}): move it away, or give "
            f'this one a place of its own: "data-root": "/var/lib/wharfie" in {config.config_file}'
        )
