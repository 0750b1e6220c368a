"""Digests of local files, remembered by what stat tells, as git's index does.

One file a context below the cache folder: `device inode size mtime ctime digest` NUL `path` NUL …
An entry holds as long as all of that is as it was; what changed within two seconds of being
looked at is not remembered, as it might change again within the clock's step.
"""

from __future__ import annotations

import hashlib
import os
import time

_HEAD = b"wharfie-digests-1\0"
_YOUNG = 2_000_000_000
_READ = 1 << 20


def cache_directory() -> str:
    """Where digests are remembered."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "wharfie", "contexts")


class DigestCache:
    """Digests of the files below one folder.

    Args:
        root: the folder.
        directory: where they are remembered.
    """

    def __init__(self, root: str, directory: str | None = None) -> None:
        name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
        self._file = os.path.join(directory or cache_directory(), name)
        self._known = self._load()
        self._found: dict[bytes, bytes] = {}
        self._is_changed = False
        self.hashed = 0
        """Bytes that had to be read."""

    def digest(self, full: str, path: bytes, status: os.stat_result) -> str:
        """The SHA-256 of a file in hexadecimal.

        Raises:
            OSError: it cannot be read.
        """
        key = (
            f"{status.st_dev} {status.st_ino} {status.st_size} "
            f"{status.st_mtime_ns} {status.st_ctime_ns} "
        ).encode()
        known = self._known.get(path)
        if known is not None and known.startswith(key):
            self._found[path] = known
            return known[len(key) :].decode()
        digest = _hash(full)
        self.hashed += status.st_size
        self._is_changed = True
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _YOUNG:
            self._found[path] = key + digest.encode()
        return digest

    def forget(self, path: bytes) -> None:
        """A file turned out not to be what was remembered."""
        self._is_changed = self._found.pop(path, None) is not None or self._is_changed

    def save(self) -> None:
        """Remember what was found; where that cannot be written, the next time takes longer."""
        if not self._is_changed and len(self._found) == len(self._known):
            return
        parts = [_HEAD]
        for path, entry in self._found.items():
            parts += (entry, b"\0", path, b"\0")
        draft = f"{self._file}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._file), 0o700, exist_ok=True)
            with open(draft, "wb") as file:
                file.write(b"".join(parts))
            os.replace(draft, self._file)
        except OSError:
            return

    def _load(self) -> dict[bytes, bytes]:
        try:
            with open(self._file, "rb") as file:
                data = file.read()
        except OSError:
            return {}
        if not data.startswith(_HEAD):
            return {}
        fields = data[len(_HEAD) :].split(b"\0")
        return dict(zip(fields[1::2], fields[0::2], strict=False))


def _hash(path: str) -> str:
    state = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_READ):
            state.update(piece)
    return state.hexdigest()
