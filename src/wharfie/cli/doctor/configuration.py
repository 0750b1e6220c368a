"""The daemon's settings on this machine: whether they agree, whether its certificates are well."""

from __future__ import annotations

import datetime
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from wharfie.cli.doctor.exposure import running_daemons
from wharfie.cli.doctor.findings import Finding, fail, ok, warn
from wharfie.cli.errors import CommandError
from wharfie.cli.remote.daemonfile import find_daemon, read_settings

_UNIT_DIRECTORIES = ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
_UNITS = ("wharfie", "docker")
_DEFAULTS = {"wharfied": "/etc/wharfie/daemon.json", "dockerd": "/etc/docker/daemon.json"}
_SECONDS = 30


def check_configuration() -> Iterator[Finding]:
    """Yield what is wrong with flags and daemon.json of the daemon here, running or not."""
    program = find_daemon("wharfie")
    command = daemon_command()
    config = _config_file(command)
    arguments = command[1:]
    if not any(word.startswith("--config-file") for word in arguments):
        # Called as wharfied it would look elsewhere than the dockerd it speaks for.
        arguments += ["--config-file", config if os.path.exists(config) else os.devnull]
    if not program:
        yield warn("configuration", "there is no wharfied here to ask", "pip install wharfie")
    else:
        yield _validate(program, arguments, config)
    yield from _certificates(config)


def daemon_command() -> list[str]:
    """The command line of the daemon: of the running one, else of the installed unit."""
    for pid in running_daemons():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        at = next((n for n, word in enumerate(words) if os.path.basename(word) in _DEFAULTS), 0)
        return [word for word in words[at:] if word]
    for unit in _UNITS:
        found = unit_command(unit, _UNIT_DIRECTORIES)
        if found:
            return found
    return []


def unit_command(unit: str, directories: tuple[str, ...]) -> list[str]:
    """The last `ExecStart=` of a unit and its drop-ins, as systemd would see it."""
    line = ""
    for path in _unit_files(unit, directories):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        for each in text.splitlines():
            name, equals, value = each.partition("=")
            if equals and name.strip() == "ExecStart":
                line = value.strip()
    try:
        words = shlex.split(line)
    except ValueError:
        return []
    return [word for word in words if not word.startswith("$")]


def _unit_files(unit: str, directories: tuple[str, ...]) -> Iterator[Path]:
    main = [Path(folder) / f"{unit}.service" for folder in directories]
    existing = [path for path in main if path.exists()]
    yield from existing[-1:]
    drop_ins = {
        path.name: path
        for folder in directories
        for path in sorted(Path(folder, f"{unit}.service.d").glob("*.conf"))
    }
    yield from (drop_ins[name] for name in sorted(drop_ins))


def _config_file(command: list[str]) -> str:
    for at, word in enumerate(command):
        if word.startswith("--config-file"):
            return word.partition("=")[2] or "".join(command[at + 1 : at + 2])
    return _DEFAULTS[os.path.basename(command[0]) if command else "wharfied"]


def _validate(program: str, arguments: list[str], config: str) -> Finding:
    try:
        done = subprocess.run(
            [program, *arguments, "--validate"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("configuration", f"{program} --validate: {error}", f"{program} --validate")
    if done.returncode == 0:
        return ok("configuration", "flags and daemon.json agree")
    return fail("configuration", done.stderr.strip(), f"$EDITOR {config}; wharfied --validate")


def _certificates(config: str) -> Iterator[Finding]:
    from wharfie.pki.checking import check_directory
    from wharfie.pki.errors import PkiError

    try:
        certificate = read_settings(config).get("tlscert")
    except CommandError:
        return  # told by the validation
    if not isinstance(certificate, str):
        return
    directory = Path(certificate).parent
    try:
        flaws = check_directory(directory, now=datetime.datetime.now(datetime.UTC))
    except (PkiError, OSError) as error:
        yield fail("server certificates", str(error), f"wharfie cert check {directory}")
        return
    for flaw in flaws:
        yield fail("server certificates", f"{flaw.file}: {flaw.problem}", flaw.remedy)
    if not flaws:
        yield ok("server certificates", f"those in {directory} are in order")
