"""`--security-opt`: profiles are read here, paths are unmasked here."""

from __future__ import annotations

from wharfie.cli.config import read_file
from wharfie.cli.errors import CommandError
from wharfie.formats.gojson import JsonError, dumps, loads

_UNCONFINED = "systempaths=unconfined"


def _read_profile(path: str) -> str:
    try:
        data = read_file(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        data, problem = None, reason
    else:
        problem = "no such file or directory"
    if data is None:
        message = f"opening seccomp profile ({path}) failed: open {path}: {problem}"
        raise CommandError(message, code=125)
    try:
        return dumps(loads(data))
    except JsonError as error:
        raise CommandError(
            f"compacting json for seccomp profile ({path}) failed: {error}", code=125
        ) from None


def security_options(given: list[str]) -> tuple[list[str], bool]:
    """Return what goes to the daemon, and whether the system paths are left unmasked.

    Raises:
        CommandError: an option is malformed or a profile unreadable.
    """
    found: list[str] = []
    unmasked = False
    for option in given:
        if option == _UNCONFINED:
            unmasked = True
            continue
        name, mark, value = option.partition("=")
        if not mark and name != "no-new-privileges":
            name, mark, value = option.partition(":")
            if not mark:
                raise CommandError(f'Invalid --security-opt: "{option}"', code=125)
        if name == "seccomp" and value not in {"unconfined", "builtin"}:
            found.append(f"seccomp={_read_profile(value)}")
        else:
            found.append(option)
    return found, unmasked
