"""Accounts in an htpasswd file: `name:$2y$…` on each line, bcrypt alone, as with Docker.

The file is read again when it changes. A password that was right is remembered for a while, as a
keyed hash that dies with the process: clients without tokens send it with each request, and bcrypt
takes tens of milliseconds by design. What the hash in the file is belongs to that key, so a changed
password counts at once. An unknown name costs the same time as a wrong password.

Source: Apache's htpasswd -B; Docker registry, `auth.htpasswd`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from wharfie.model.errors import Unavailable

_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_MOST_COST = 15
_MOST_REMEMBERED = 10_000
_MOST_WAITING = 64
_PASSWORD_BYTES = 72
# Checked in the place of an unknown name's hash; of no password anybody knows.
_NOBODY = "$2b${cost:02d}$" + "." * 22 + "x" * 31


class InvalidAccounts(ValueError):
    """The file cannot be used; the text names file and line."""


class Busy(Unavailable):
    """Too many passwords wait to be checked."""


class Accounts:
    """The accounts of one file.

    Args:
        path: of the file.

    Raises:
        InvalidAccounts: it cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._hashes = _read(path)
        self._secret = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        # bcrypt releases the interpreter's lock; two at a time leave the rest of the host alive.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="bcrypt")
        self._waiting = 0
        self.complaint = ""
        """Why the file as it is now is not used; "" when it is."""

    def reload(self) -> None:
        """Read the file again if it changed; one that cannot be used changes nothing."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._hashes = _read(self._path)
        except InvalidAccounts as error:
            self.complaint = str(error)
        else:
            self.complaint = ""

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def fingerprint(self, name: str) -> str:
        """Changes with the password of an account, not with restarts; "" for none of that name."""
        found = self._hashes.get(name)
        if not found:
            return ""
        return hashlib.sha256(f"refresh\0{name}\0{found}".encode()).hexdigest()[:32]

    def is_remembered(self, name: str, password: str) -> bool:
        """Tell whether a password was found right a while ago and still is."""
        known = self._hashes.get(name)
        return known is not None and self._keyed("right", name, password, known) in self._right

    async def check(self, name: str, password: str) -> bool:
        """Tell whether a password is an account's.

        Raises:
            Busy: too many are being checked.
        """
        self.reload()
        known = self._hashes.get(name)
        data = password.encode("utf-8", "surrogateescape")
        if b"\0" in data:
            return False
        key = self._keyed("right", name, password, known or "")
        if self.is_remembered(name, password):
            self._right.move_to_end(key)
            return True
        is_right = await self._check(data[:_PASSWORD_BYTES], known or self._dummy())
        if not is_right or known is None:
            return False
        self._right[key] = None
        if len(self._right) > _MOST_REMEMBERED:
            self._right.popitem(last=False)
        return True

    async def _check(self, password: bytes, known: str) -> bool:
        if self._waiting >= _MOST_WAITING:
            raise Busy("too many logins at once: try again later")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._threads, bcrypt.checkpw, password, known.encode("ascii")
            )
        except ValueError:
            return False
        finally:
            self._waiting -= 1

    def _dummy(self) -> str:
        """As dear to check as the first account's hash."""
        first = next(iter(self._hashes.values()), "")
        cost = int(first[4:6]) if first else 10
        return _NOBODY.format(cost=cost)

    def _keyed(self, *parts: str) -> bytes:
        text = "\0".join(parts)
        return hmac.digest(self._secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256)


def parse_htpasswd(text: str, path: str) -> Mapping[str, str]:
    """Names and hashes of a file's text.

    Raises:
        InvalidAccounts: a line is none, or its hash is not bcrypt.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        why = "is there twice" if name in found else _why_not(name, hashed)
        if why:
            raise InvalidAccounts(f"{path}, line {number}: {name[:64]!r} {why}")
        found[name] = hashed
    return found


def _why_not(name: str, hashed: str) -> str:
    """Why a line is no account, "" when it is."""
    if not name or not hashed:
        return "is not of the form name:hash"
    match = _HASH.fullmatch(hashed)
    if match is None:
        return "has a password that is not hashed with bcrypt (htpasswd -B)"
    if not 4 <= int(match[1]) <= _MOST_COST:
        return f"has a bcrypt cost of {match[1]}; 4 to {_MOST_COST} are accepted"
    return ""


def _read(path: str) -> Mapping[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return parse_htpasswd(file.read(4 << 20), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidAccounts(f"cannot read the accounts in {path}: {error}") from None


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)
