"""`/etc/passwd` and `/etc/group`: bytes to entries, and who a `user[:group]` means.

The files come out of images and are hostile: bad lines are skipped as Docker skips them, numbers
are bounded. Rules of the lookup:

- "" is uid 0; digits match a name first written so, or a uid; other words must be in passwd.
- a number without an entry is fine, its group is 0, its home `/`.
- without an explicit group the supplementary groups are those that list the user's *name*.

Source: passwd(5), group(5), behaviours 190.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_ID = 2**31 - 1
DEFAULT_HOME = "/"


class LookupFailed(ValueError):
    """A user or group that cannot be resolved; the text is Docker's."""


class PasswdEntry(NamedTuple):
    """One line of passwd."""

    name: str
    uid: int
    gid: int
    home: str


class GroupEntry(NamedTuple):
    """One line of group."""

    name: str
    gid: int
    members: tuple[str, ...]


class Identity(NamedTuple):
    """Who a process runs as; `groups` are the supplementary ones in file order."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def parse_passwd(data: bytes) -> Iterator[PasswdEntry]:
    """Yield the usable lines of a passwd file."""
    for fields in _lines(data):
        if len(fields) < 4 or not fields[0]:
            continue
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is None or gid is None:
            continue
        yield PasswdEntry(fields[0], uid, gid, fields[5] if len(fields) > 5 else "")


def parse_group(data: bytes) -> Iterator[GroupEntry]:
    """Yield the usable lines of a group file."""
    for fields in _lines(data):
        if len(fields) < 3 or not fields[0]:
            continue
        gid = _number(fields[2])
        if gid is None:
            continue
        members = tuple(m for m in fields[3].split(",") if m) if len(fields) > 3 else ()
        yield GroupEntry(fields[0], gid, members)


def resolve(user: str, passwd: bytes, group: bytes) -> Identity:
    """Resolve `name|uid[:group|gid]`.

    Raises:
        LookupFailed: a name without an entry, or a number out of range.
    """
    user_part, _, group_part = user.partition(":")
    entry = _find_user(user_part, passwd)
    if entry is not None:
        uid, gid, home = entry.uid, entry.gid, entry.home or DEFAULT_HOME
    else:
        uid, gid, home = _unlisted_user(user_part), 0, DEFAULT_HOME
    if group_part:
        return Identity(uid, _find_group(group_part, group), (), home)
    name = entry.name if entry is not None else ""
    return Identity(uid, gid, _groups_of(name, group), home)


def resolve_groups(names: Sequence[str], group: bytes) -> tuple[int, ...]:
    """Resolve additional groups by name or number.

    Raises:
        LookupFailed: a name without an entry, or a number out of range.
    """
    return tuple(_find_group(name, group) for name in names)


def _lines(data: bytes) -> Iterator[list[str]]:
    for raw in data.decode("utf-8", "surrogateescape").split("\n"):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield line.split(":")


def _number(text: str) -> int | None:
    """A decimal id within bounds, None otherwise."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    value = int(text)
    return value if value <= MAX_ID else None


def _is_numeric(text: str) -> bool:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return digits.isascii() and digits.isdigit()


def _find_user(user: str, passwd: bytes) -> PasswdEntry | None:
    wanted = 0 if not user else _number(user)
    for entry in parse_passwd(passwd):
        if (user and entry.name == user) or entry.uid == wanted:
            return entry
    return None


def _unlisted_user(user: str) -> int:
    if not user:
        return 0
    uid = _number(user)
    if uid is not None:
        return uid
    if _is_numeric(user):
        raise LookupFailed(f"uids and gids must be in range 0-{MAX_ID}")
    raise LookupFailed(f"unable to find user {user}: no matching entries in passwd file")


def _find_group(name: str, group: bytes) -> int:
    wanted = _number(name)
    for entry in parse_group(group):
        if entry.name == name or entry.gid == wanted:
            return entry.gid
    if wanted is not None:
        return wanted
    if _is_numeric(name):
        raise LookupFailed(f"uids and gids must be in range 0-{MAX_ID}")
    raise LookupFailed(f"unable to find group {name}: no matching entries in group file")


def _groups_of(name: str, group: bytes) -> tuple[int, ...]:
    if not name:
        return ()
    return tuple(entry.gid for entry in parse_group(group) if name in entry.members)
