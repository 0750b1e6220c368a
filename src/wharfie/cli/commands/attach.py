"""`attach`: connect our standard streams to a running container."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.run import check_terminal, detach_keys
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.relay import Relay
from wharfie.cli.waiting import exit_status
from wharfie.client.daemon import escape
from wharfie.formats.pflag import Values

FLAGS = """
--detach-keys string  Override the key sequence for detaching a container
--no-stdin  Do not attach STDIN
--sig-proxy  Proxy all received signals to the process (default true)
"""


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _check_state(document: dict[str, object]) -> None:
    state = _mapping(document.get("State"))
    if state.get("Running") is not True:
        raise CommandError("cannot attach to a stopped container, start it first")
    if state.get("Paused") is True:
        raise CommandError("cannot attach to a paused container, unpause it first")
    if state.get("Restarting") is True:
        raise CommandError("cannot attach to a restarting container, wait until it is running")


def run_attach(context: Context, flags: Values) -> int:
    """Attach; return the container's exit code."""
    client = context.client
    path = f"/containers/{escape(flags.args[0])}"
    pending = client.begin("POST", f"{path}/wait")
    pending.accepted()
    document = _mapping(client.json("GET", f"{path}/json"))
    _check_state(document)
    config = _mapping(document.get("Config"))
    tty = config.get("Tty") is True
    keys_text, keys = detach_keys(context, flags, tty=tty)
    stdin = not flags.on("no-stdin") and config.get("OpenStdin") is True
    check_terminal(stdin=stdin, tty=tty)
    query = {"stream": "1", "stdout": "1", "stderr": "1"}
    if stdin:
        query["stdin"] = "1"
    if keys_text:
        query["detachKeys"] = keys_text
    if flags.on("sig-proxy") and not tty:
        from wharfie.cli.signals import proxy

        proxy(client, flags.args[0])
    hijacked = client.hijack(f"{path}/attach", query=query)
    _check_state(_mapping(client.json("GET", f"{path}/json")))
    if tty and is_terminal(1):
        from wharfie.cli.signals import WindowSize

        window = WindowSize(client, path)
        window.resize(taller=1)  # a change of size makes a full-screen program draw itself anew
        window.follow()
    relay = Relay(hijacked, tty=tty, stdin=stdin, detach_keys=keys)
    relay.run()
    if relay.detached:
        context.note("read escape sequence")
        return 0
    return exit_status(context, pending)


ATTACH = Command(
    run_attach,
    "Attach local standard input, output, and error streams to a running container",
    "CONTAINER",
    flags=FLAGS,
    least=1,
    most=1,
    aliases=("container attach", "attach"),
)
