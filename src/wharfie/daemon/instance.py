"""One daemon per data root: the lock, the pid file, the directories.

The lock is what counts; it dies with its holder. The pid file is for people and init systems.
A data root that a genuine Docker uses is refused: our sweeps must not meet its files.
"""

from __future__ import annotations

import fcntl
import os

from wharfie.daemon.config import Config

_FOREIGN = ("overlay2", "image", "buildkit", "network", "containerd")


class StartError(Exception):
    """The daemon cannot start; the text says why and what to do."""


class Instance:
    """The claim of this process on its data root and pid file."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = -1

    def claim(self) -> None:
        """Make the directories, take the lock, write the pid file.

        Raises:
            StartError: another daemon has it, or the directories cannot be used.
        """
        config = self._config
        try:
            os.makedirs(config.data_root, mode=0o710, exist_ok=True)
            os.makedirs(config.exec_root, mode=0o711, exist_ok=True)
            os.makedirs(os.path.join(config.data_root, "tmp"), mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make {error.filename}: {error.strerror}") from None
        _refuse_foreign(config.data_root)
        self._take_lock()
        self._write_pidfile()

    def release(self) -> None:
        """Give up pid file and lock; idempotent."""
        if self._lock < 0:
            return
        if self._config.pidfile and _read_pid(self._config.pidfile) == os.getpid():
            os.unlink(self._config.pidfile)
        os.close(self._lock)
        self._lock = -1

    def _take_lock(self) -> None:
        path = os.path.join(self._config.data_root, "lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise StartError(
                f"{self._config.data_root} is in use by another daemon (PID {holder}): "
                "stop it first, or give this one a --data-root of its own"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def _write_pidfile(self) -> None:
        path = self._config.pidfile
        if not path:
            return
        pid = _read_pid(path)
        if pid is not None and pid != os.getpid() and os.path.exists(f"/proc/{pid}"):
            raise StartError(
                f"ensure docker is not running or delete {path}: "
                f"process with PID {pid} is still running"
            )
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None


def _read_pid(path: str) -> int | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _refuse_foreign(data_root: str) -> None:
    if os.path.exists(os.path.join(data_root, "engine.db")):
        return
    found = [name for name in _FOREIGN if os.path.isdir(os.path.join(data_root, name))]
    if found:
        raise StartError(
            f"{data_root} holds the data of another engine ({', '.join(found)}): "
            "give this one a --data-root of its own"
        )
