"""What a runtime says when a process cannot start, in Docker's words and with its exit codes.

The docker command line chooses its own exit code by words in the message (`executable file not
found`, `no such file or directory`, `permission denied`), so crun's texts are put as runc's. The
runtime's own sentence is kept wherever there is nothing to translate.

Source: behaviours 65, 66, 73; texts of crun 1.8 and 1.21 and of runc 1.1, tried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wharfie.model.errors import StartFailed

NOT_FOUND, NOT_EXECUTABLE, OTHER = 127, 126, 128
_NOT_A_DIRECTORY = "not a directory"
_ADVICE = (
    "Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)
_CREATE = (
    "failed to create task for container: failed to create shim task: "
    "OCI runtime create failed: {runtime} create failed: unable to start container process: {text}"
)
_LOGGING = "failed to initialize logging driver"
"""The supervisor's own words, before any runtime is asked."""
_EXEC = "OCI runtime exec failed: exec failed: unable to start container process: {text}"
_RUNC_PREFIX = re.compile(r"runc (?:run|exec) failed: (?:unable to start container process: )?")
_EXEC_PREFIX = re.compile(r"exec failed: (?:unable to start container process: )?")
_STRERROR = re.compile(r": ([A-Z])([a-z]+(?: [a-zA-Z/.-]+)*)\.?$")


def _not_found(found: re.Match[str], _: str) -> str:
    program = found[1]
    if "/" in program:
        return f'exec: "{program}": stat {program}: no such file or directory'
    return f'exec: "{program}": executable file not found in $PATH'


def _is_directory(_: re.Match[str], program: str) -> str:
    return f'exec: "{program}": is a directory: permission denied'


def _cannot_open(found: re.Match[str], program: str) -> str:
    reason = found[1].lower()
    detail = f"stat {program}: " if reason == _NOT_A_DIRECTORY else ""
    return f'exec: "{program}": {detail}{reason}'


def _not_executable(found: re.Match[str], _: str) -> str:
    return f'exec: "{found[1]}": permission denied'


def _cannot_reach(found: re.Match[str], _: str) -> str:
    return f'exec: "{found[1]}": stat {found[1]}: {found[2].lower()}'


def _bad_cwd(found: re.Match[str], _: str) -> str:
    return f'chdir to cwd ("{found[1]}") set in config.json failed: {found[2].lower()}'


def _bad_mount(found: re.Match[str], _: str) -> str:
    source, target, reason = found[1], "/" + found[2].lstrip("/"), found[3].lower()
    return f'error mounting "{source}" to rootfs at "{target}": mount {source}:{target}: {reason}'


def _missing_source(found: re.Match[str], _: str) -> str:
    return f'error mounting "{found[1]}": stat {found[1]}: {found[2].lower()}'


_TRANSLATIONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], str]], ...] = (
    (re.compile(r"executable file `(.*)` not found(?: in \$PATH)?(?::.*)?", re.DOTALL), _not_found),
    # crun opens the program before it runs it, and a directory answers EPERM there.
    (re.compile(r"open executable: Operation not permitted"), _is_directory),
    (re.compile(r"open executable: (.*)"), _cannot_open),
    (re.compile(r"the path `(.*)` exists but it is not executable: .*"), _not_executable),
    (re.compile(r"the path `(.*)` is not a regular file: .*"), _is_directory),
    (re.compile(r"cannot open `(.*)`: (Not a directory)"), _cannot_reach),
    (re.compile(r"chdir `(.*)`: (.*)", re.DOTALL), _bad_cwd),
    (re.compile(r"mount `(.*)` to `(.*)`: (.*)", re.DOTALL), _bad_mount),
    (re.compile(r"error stat'ing file `(.*)`: (.*)", re.DOTALL), _missing_source),
)


def start_failed(text: str, *, program: str, runtime: str, of_exec: bool = False) -> StartFailed:
    """Turn a runtime's message into the error clients know.

    Args:
        text: what the runtime said; the last line of several counts.
        program: what should have run, for the messages that do not repeat it.
        runtime: name of the runtime.
        of_exec: an exec'd process instead of a container's first.
    """
    if text.startswith(_LOGGING):
        return StartFailed(f"failed to create task for container: {text}", OTHER)
    reason = _translate(_last_line(text), program)
    code = _exit_code(reason, program)
    if _NOT_A_DIRECTORY in reason:
        reason = f"{reason}: {_ADVICE}"
    template = _EXEC if of_exec else _CREATE
    return StartFailed(template.format(runtime=runtime, text=reason), code)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "the runtime gave no reason"


def _translate(text: str, program: str) -> str:
    for pattern, translation in _TRANSLATIONS:
        found = pattern.fullmatch(text)
        if found is not None:
            return translation(found, program)
    text = _RUNC_PREFIX.sub("", text, count=1)
    text = _EXEC_PREFIX.sub("", text, count=1)
    return _STRERROR.sub(lambda found: f": {found[1].lower()}{found[2]}", text)


def _exit_code(reason: str, program: str) -> int:
    if _NOT_A_DIRECTORY in reason:
        return NOT_FOUND
    if "permission denied" in reason or reason.endswith("is a directory"):
        return NOT_EXECUTABLE
    missing = "executable file not found" in reason or "no such file or directory" in reason
    if missing and program and program in reason:
        return NOT_FOUND
    return OTHER
