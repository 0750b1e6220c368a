"""`userns-remap`: from a user's name to the mapping of a user namespace.

    default          the user dockremap, made with its ranges where it is missing
    NAME[:GROUP]     ranges of /etc/subuid and /etc/subgid, by name or by number

Source: docs.docker.com, "Isolate containers with a user namespace"; daemon.md.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import subprocess

from wharfie.daemon.config import ConfigError
from wharfie.formats.subids import IdRange, format_map, parse_subids
from wharfie.kernel.userns import make_user_namespace
from wharfie.model.remapping import Remapping

DEFAULT_USER = "dockremap"
_FIRST, _SIZE = 100_000, 65_536
_SUBUID, _SUBGID = "/etc/subuid", "/etc/subgid"


def open_remapping(setting: str) -> Remapping | None:
    """Make the namespace that a setting asks for, None for none; its descriptor is the caller's.

    Raises:
        ConfigError: no such user, or one without ranges; the kernel refuses.
    """
    if not setting:
        return None
    user, _, group = setting.partition(":")
    if setting == "default":
        user = DEFAULT_USER
        _ensure_user(user)
    name, uid = _find_user(user)
    group_name, gid = _find_group(group or name)
    uids = parse_subids(_read(_SUBUID), name, uid)
    gids = parse_subids(_read(_SUBGID), group_name, gid)
    if not uids:
        raise ConfigError(f'no subuid ranges found for user "{name}" in {_SUBUID}')
    if not gids:
        raise ConfigError(f'no subgid ranges found for group "{group_name}" in {_SUBGID}')
    try:
        namespace = make_user_namespace(format_map(uids), format_map(gids))
    except OSError as error:
        raise ConfigError(f"userns-remap {setting}: {error.strerror or error}") from None
    return Remapping(namespace, tuple(uids), tuple(gids))


def next_range(*files: str) -> IdRange:
    """A range that no line of these files touches."""
    ends = [_FIRST]
    for text in files:
        for first, size in re.findall(r"^[^:]*:(\d{1,10}):(\d{1,10})$", text, re.MULTILINE):
            ends.append(int(first) + int(size))
    return IdRange(0, max(ends), _SIZE)


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        _run("useradd", "--system", "--user-group", "--no-create-home", "--shell",
             "/usr/sbin/nologin", name)  # fmt: skip
    uids, gids = _read(_SUBUID), _read(_SUBGID)
    if parse_subids(uids, name, None) and parse_subids(gids, name, None):
        return
    span = next_range(uids, gids)
    text = f"{span.outside}-{span.outside + span.size - 1}"
    _run("usermod", "--add-subuids", text, "--add-subgids", text, name)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"userns-remap: {error}") from None
    if done.returncode:
        raise ConfigError(f"userns-remap: {command[0]} failed: {done.stderr.strip()}")


def _find_user(text: str) -> tuple[str, int]:
    with contextlib.suppress(KeyError):
        found = pwd.getpwuid(int(text)) if text.isdigit() else pwd.getpwnam(text)
        return found.pw_name, found.pw_uid
    raise ConfigError(f'userns-remap: no such user "{text}"')


def _find_group(text: str) -> tuple[str, int]:
    with contextlib.suppress(KeyError):
        found = grp.getgrgid(int(text)) if text.isdigit() else grp.getgrnam(text)
        return found.gr_name, found.gr_gid
    raise ConfigError(f'userns-remap: no such group "{text}"')


def _read(path: str) -> str:
    try:
        with open(os.fspath(path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
