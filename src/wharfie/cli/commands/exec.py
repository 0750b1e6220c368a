"""`exec`: run a further process in a running container."""

from __future__ import annotations

from wharfie.cli import terminal
from wharfie.cli.command import Command
from wharfie.cli.commands.run import check_terminal, detach_keys
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.creation import checks, envfile
from wharfie.cli.errors import CommandError
from wharfie.cli.relay import Relay
from wharfie.client.daemon import escape
from wharfie.formats.pflag import Values

FLAGS = """
-d, --detach  Detached mode: run command in the background
--detach-keys string  Override the key sequence for detaching a container
-e, --env list  Set environment variables
--env-file list  Read in a file of environment variables
-i, --interactive  Keep STDIN open even if not attached
--privileged  Give extended privileges to the command
-t, --tty  Allocate a pseudo-TTY
-u, --user string  Username or UID (format: "<name|uid>[:<group|gid>]")
-w, --workdir string  Working directory inside the container
"""


def _body(flags: Values, keys: str, *, attach: bool) -> dict[str, object]:
    environment = envfile.collect(flags.items("env-file"), flags.items("env"), inherit=True)
    body: dict[str, object] = {
        "User": flags.text("user"),
        "Privileged": flags.on("privileged"),
        "Tty": flags.on("tty"),
        "AttachStdin": attach and flags.on("interactive"),
        "AttachStderr": attach,
        "AttachStdout": attach,
        "Detach": not attach,
        "DetachKeys": keys,
        "Env": environment or None,
        "WorkingDir": flags.text("workdir"),
        "Cmd": flags.args[1:],
    }
    height, width = terminal.size()
    if flags.on("tty") and attach and (height or width):
        body["ConsoleSize"] = [height, width]
    return body


def run_exec(context: Context, flags: Values) -> int:
    """Run a process; return its exit code."""
    client = context.client
    attach = not flags.on("detach")
    tty, stdin = flags.on("tty"), attach and flags.on("interactive")
    keys_text, keys = detach_keys(context, flags, tty=tty)
    path = f"/containers/{escape(flags.args[0])}"
    client.json("GET", f"{path}/json")
    check_terminal(stdin=stdin, tty=tty)
    created = client.json("POST", f"{path}/exec", body=_body(flags, keys_text, attach=attach))
    found = str(created.get("Id") or "") if isinstance(created, dict) else ""
    if not found:
        raise CommandError("exec ID empty")
    start: dict[str, object] = {"Detach": not attach, "Tty": tty}
    if not attach:
        client.done("POST", f"/exec/{found}/start", body=start)
        return 0
    size = terminal.size()
    if tty and any(size):
        start["ConsoleSize"] = list(size)
    hijacked = client.hijack(f"/exec/{found}/start", body=start)
    if tty and is_terminal(0):
        from wharfie.cli.signals import WindowSize

        WindowSize(client, f"/exec/{found}").follow()
    relay = Relay(hijacked, tty=tty, stdin=stdin, detach_keys=keys)
    relay.run()
    if relay.detached:
        return 0
    document = client.json("GET", f"/exec/{found}/json")
    code = document.get("ExitCode") if isinstance(document, dict) else None
    return code if isinstance(code, int) else 0


EXEC = Command(
    run_exec,
    "Execute a command in a running container",
    "CONTAINER COMMAND [ARG...]",
    flags=FLAGS,
    least=2,
    most=None,
    aliases=("container exec", "exec"),
    checks={"env": checks.env},
    interspersed=False,
)
