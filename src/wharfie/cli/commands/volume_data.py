"""Verbs on volumes that Docker does not have: backup, restore, clone, rename."""

from __future__ import annotations

import os

from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.creation import checks, envfile
from wharfie.cli.errors import CommandError
from wharfie.cli.files import read_pieces, write_stream
from wharfie.cli.output.values import text
from wharfie.client.daemon import escape
from wharfie.formats.pflag import Values


def _path(name: str) -> str:
    return f"/volumes/{escape(name)}"


def run_backup(context: Context, flags: Values) -> int:
    """Write a tar to a file, or to standard output that is no terminal."""
    target = flags.text("output")
    if not target and is_terminal(1):
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    response = context.client.call("GET", f"{_path(flags.args[0])}/backup")
    write_stream(response.pieces(), target, "failed to back up volume")
    return 0


def run_restore(context: Context, flags: Values) -> int:
    """Read a tar from a file or standard input."""
    source = flags.text("input")
    query = {"force": "1"} if flags.on("force") else {}
    path = f"{_path(flags.args[0])}/restore"
    if not source and is_terminal(0):
        raise CommandError("requested restore from stdin, but stdin is a terminal")
    try:
        handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC) if source else 0
    except OSError as error:
        raise CommandError(f"{source}: {error.strerror}") from None
    context.client.call("PUT", path, query=query, data=read_pieces(handle)).read()
    return 0


def run_clone(context: Context, flags: Values) -> int:
    """Copy a volume; print the new name."""
    name, wanted = flags.args
    body: dict[str, object] = {"Name": wanted}
    if flags.items("label"):
        body["Labels"] = envfile.to_map(flags.items("label"))
    found = context.client.json("POST", f"{_path(name)}/clone", body=body)
    context.say(text(found, "Name") if isinstance(found, dict) else "")
    return 0


def run_rename(context: Context, flags: Values) -> int:
    """Give a volume another name."""
    name, wanted = flags.args
    context.client.done("POST", f"{_path(name)}/rename", query={"name": wanted})
    return 0


BACKUP = Command(
    run_backup,
    "Write a volume's data as a tar stream",
    "VOLUME",
    flags="-o, --output string  Write to a file, instead of STDOUT",
    least=1,
    most=1,
)
RESTORE = Command(
    run_restore,
    "Fill a volume from a tar stream",
    "VOLUME",
    flags="""
    -f, --force  Also when the volume is in use or holds data already
    -i, --input string  Read from a file, instead of STDIN
    """,
    least=1,
    most=1,
)
CLONE = Command(
    run_clone,
    "Copy a volume",
    "VOLUME NEW_VOLUME",
    flags="--label list  Set metadata for the new volume",
    least=2,
    most=2,
    checks={"label": checks.label},
    long="Copy a volume nobody uses. Blocks are shared where the file system can.",
)
RENAME = Command(
    run_rename,
    "Give a volume another name",
    "VOLUME NEW_NAME",
    least=2,
    most=2,
    long="Give a volume nobody uses another name.",
)
