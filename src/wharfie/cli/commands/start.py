"""`start`: start stopped containers, one of them attached if wished."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.run import check_terminal, detach_keys
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.relay import Relay
from wharfie.cli.waiting import exit_status
from wharfie.client.daemon import escape
from wharfie.client.errors import ClientError
from wharfie.formats.pflag import Values

FLAGS = """
-a, --attach  Attach STDOUT/STDERR and forward signals
--checkpoint string  Restore from this checkpoint
--checkpoint-dir string  Use a custom checkpoint storage directory
--detach-keys string  Override the key sequence for detaching a container
-i, --interactive  Attach container's STDIN
"""


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def run_start(context: Context, flags: Values) -> int:
    """Start containers; return 1 when some could not be, or the attached one's exit code."""
    if flags.on("attach") or flags.on("interactive"):
        if len(flags.args) > 1:
            raise CommandError("you cannot start and attach multiple containers at once")
        return _attached(context, flags, flags.args[0])
    query = {
        name: flags.text(flag)
        for name, flag in (("checkpoint", "checkpoint"), ("checkpoint-dir", "checkpoint-dir"))
        if flags.text(flag)
    }
    failed: list[str] = []
    for name in flags.args:
        try:
            context.client.done("POST", f"/containers/{escape(name)}/start", query=query)
            context.say(name)
        except ClientError as error:
            context.note(str(error))
            failed.append(name)
    if failed:
        raise CommandError(f"Error: failed to start containers: {', '.join(failed)}")
    return 0


def _attached(context: Context, flags: Values, name: str) -> int:
    client = context.client
    document = _mapping(client.json("GET", f"/containers/{escape(name)}/json"))
    config = _mapping(document.get("Config"))
    tty = config.get("Tty") is True
    keys_text, keys = detach_keys(context, flags, tty=tty)
    stdin = flags.on("interactive") and config.get("OpenStdin") is True
    check_terminal(stdin=stdin, tty=tty)
    path = f"/containers/{document.get('Id')}"
    if not tty:
        from wharfie.cli.signals import proxy

        proxy(client, str(document.get("Id")))
    query = {"stream": "1", "stdout": "1", "stderr": "1"}
    if stdin:
        query["stdin"] = "1"
    if keys_text:
        query["detachKeys"] = keys_text
    hijacked = client.hijack(f"{path}/attach", query=query)
    removed = _mapping(document.get("HostConfig")).get("AutoRemove") is True
    condition = "removed" if removed else "next-exit"
    pending = client.begin("POST", f"{path}/wait", query={"condition": condition})
    pending.accepted()
    try:
        client.done("POST", f"{path}/start")
    except ClientError:
        hijacked.stream.close()
        raise
    if tty and is_terminal(1):
        from wharfie.cli.signals import WindowSize

        WindowSize(client, path).follow()
    relay = Relay(hijacked, tty=tty, stdin=stdin, detach_keys=keys)
    relay.run()
    return 0 if relay.detached else exit_status(context, pending)


START = Command(
    run_start,
    "Start one or more stopped containers",
    "CONTAINER [CONTAINER...]",
    flags=FLAGS,
    least=1,
    most=None,
    aliases=("container start", "start"),
)
