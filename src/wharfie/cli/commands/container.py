"""The small verbs on containers: one request each, often for several names."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import mapping, objects, sequence, text
from wharfie.client.daemon import escape
from wharfie.client.errors import ClientError, NotFound
from wharfie.formats.network.ports import parse_range
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNAL = "-s, --signal string  Signal to send to the container\n"
_TIMEOUT = "-t, --timeout int  Seconds to wait before killing the container\n"
_TIME = "%--time int  Seconds to wait before killing the container\n"


def path_of(name: str) -> str:
    """Return the API path of a container."""
    return f"/containers/{escape(name)}"


def each(context: Context, names: list[str], act: Callable[[str], None]) -> int:
    """Do something for every name, printing it when done; go on after errors.

    Raises:
        CommandError: silently, with code 1, when something failed.
    """
    failed = False
    for name in names:
        try:
            act(name)
        except ClientError as error:
            context.note(str(error))
            failed = True
        else:
            context.say(name)
            context.flush()
    return 1 if failed else 0


def _verb(verb: str) -> Callable[[Context, Values], int]:
    """Make the function of a verb that posts to `/containers/NAME/VERB`."""

    def run(context: Context, flags: Values) -> int:
        query: dict[str, str] = {}
        if verb in {"stop", "restart"}:
            for flag in ("timeout", "time"):
                if flags.has(flag):
                    query["t"] = str(flags.number(flag))
        if verb in {"stop", "restart", "kill"} and flags.text("signal"):
            query["signal"] = flags.text("signal")
        return each(
            context,
            flags.args,
            lambda name: context.client.done("POST", f"{path_of(name)}/{verb}", query=query),
        )

    return run


def run_rm(context: Context, flags: Values) -> int:
    """Remove containers."""
    query = {
        key: "1"
        for key, flag in (("force", "force"), ("link", "link"), ("v", "volumes"))
        if flags.on(flag)
    }
    failed = False
    for word in flags.args:
        name = word.strip("/")
        if not name:
            raise CommandError("container name cannot be empty")
        try:
            context.client.done("DELETE", path_of(name), query=query)
        except NotFound as error:
            context.note(str(error))
            failed = failed or not flags.on("force")
        except ClientError as error:
            context.note(str(error))
            failed = True
        else:
            context.say(word)
    return 1 if failed else 0


def run_wait(context: Context, flags: Values) -> int:
    """Print the exit code of every container once it ends."""
    failed = False
    for name in flags.args:
        try:
            document = context.client.json("POST", f"{path_of(name)}/wait")
        except ClientError as error:
            context.note(str(error))
            failed = True
            continue
        found = document if isinstance(document, dict) else {}
        context.say(str(found.get("StatusCode", 0)))
        context.flush()
    return 1 if failed else 0


def run_rename(context: Context, flags: Values) -> int:
    """Give a container another name."""
    old, new = flags.args[0].strip(), flags.args[1].strip()
    if not old or not new:
        raise CommandError("Error: Neither old nor new names may be empty")
    try:
        context.client.done("POST", f"{path_of(old)}/rename", query={"name": new})
    except ClientError as error:
        context.note(str(error))
        raise CommandError(f"Error: failed to rename container named {old}") from None
    return 0


def run_top(context: Context, flags: Values) -> int:
    """Print the processes of a container."""
    from wharfie.cli.output.table import tabulate

    name, *options = flags.args
    query = {"ps_args": " ".join(options)} if options else {}
    document = context.client.json("GET", f"{path_of(name)}/top", query=query)
    found = document if isinstance(document, dict) else {}
    rows = [sequence(found, "Titles"), *sequence(found, "Processes")]
    lines = ["\t".join(str(cell) for cell in row) for row in rows if isinstance(row, list)]
    context.write(tabulate("".join(line + "\n" for line in lines), least=20))
    return 0


def run_diff(context: Context, flags: Values) -> int:
    """Print what changed in a container's filesystem."""
    if not flags.args[0]:
        raise CommandError("container name cannot be empty")
    found = context.client.json("GET", f"{path_of(flags.args[0])}/changes")
    for change in objects(found):
        kind = {0: "C", 1: "A", 2: "D"}.get(int(str(change.get("Kind"))), "?")
        context.say(f"{kind} {text(change, 'Path')}")
    return 0


def run_export(context: Context, flags: Values) -> int:
    """Write a container's filesystem as a tar archive."""
    from wharfie.cli.files import write_stream

    output = flags.text("output")
    if not output and is_terminal(1):
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    response = context.client.call("GET", f"{path_of(flags.args[0])}/export")
    write_stream(response.pieces(), output, "failed to export container")
    return 0


def _bindings(document: object) -> list[tuple[str, str]]:
    """Return (container port, host address) for every published port, in order."""
    found = document if isinstance(document, dict) else {}
    ports = mapping(mapping(found, "NetworkSettings"), "Ports")
    pairs = []
    for port in sorted(ports, key=_port_order):
        for binding in objects(ports[port]):
            ip, number = text(binding, "HostIp"), text(binding, "HostPort")
            pairs.append((port, f"[{ip}]:{number}" if ":" in ip else f"{ip}:{number}"))
    return pairs


def _port_order(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number) if number.isdigit() else 0, protocol


def run_port(context: Context, flags: Values) -> int:
    """Print the published ports of a container, or of one of its ports."""
    name = flags.args[0]
    try:
        document = context.client.json("GET", f"{path_of(name)}/json")
    except ClientError:
        if flags.args != ["audit"]:
            raise
        from wharfie.cli.commands.audit import run_audit

        return run_audit(context)
    pairs = _bindings(document)
    if len(flags.args) == 1:
        lines = sorted((f"{port} -> {address}" for port, address in pairs), key=_line_order)
    else:
        wanted = flags.args[1] if "/" in flags.args[1] else f"{flags.args[1]}/tcp"
        number = wanted.partition("/")[0]
        try:
            parse_range(number)
        except ValueError as error:
            raise CommandError(f"Error: invalid port ({number}): {error}") from None
        lines = [address for port, address in pairs if port == wanted.lower()]
        if not lines:
            raise CommandError(f"Error: No public port '{flags.args[1]}' published for {name}")
    for line in lines:
        context.say(line)
    return 0


def _line_order(line: str) -> tuple[int, str]:
    number = line.partition("/")[0]
    return int(number) if number.isdigit() else 0, line


def _simple(verb: str, short: str, flags: str = "") -> Command:
    return Command(
        _verb(verb),
        short,
        "CONTAINER [CONTAINER...]",
        flags=flags,
        least=1,
        most=None,
        aliases=(f"container {verb}", verb),
    )


KILL = _simple("kill", "Kill one or more running containers", _SIGNAL)
STOP = _simple("stop", "Stop one or more running containers", _SIGNAL + _TIMEOUT + _TIME)
RESTART = _simple("restart", "Restart one or more containers", _SIGNAL + _TIMEOUT + _TIME)
PAUSE = _simple("pause", "Pause all processes within one or more containers")
UNPAUSE = _simple("unpause", "Unpause all processes within one or more containers")
RM = Command(
    run_rm,
    "Remove one or more containers",
    "CONTAINER [CONTAINER...]",
    flags="""
    -f, --force  Force the removal of a running container (uses SIGKILL)
    -l, --link  Remove the specified link
    -v, --volumes  Remove anonymous volumes associated with the container
    """,
    least=1,
    most=None,
    aliases=("container rm", "container remove", "rm"),
)
WAIT = Command(
    run_wait,
    "Block until one or more containers stop, then print their exit codes",
    "CONTAINER [CONTAINER...]",
    least=1,
    most=None,
    aliases=("container wait", "wait"),
)
RENAME = Command(
    run_rename,
    "Rename a container",
    "CONTAINER NEW_NAME",
    least=2,
    most=2,
    aliases=("container rename", "rename"),
)
TOP = Command(
    run_top,
    "Display the running processes of a container",
    "CONTAINER [ps OPTIONS]",
    least=1,
    most=None,
    aliases=("container top", "top"),
    interspersed=False,
)
DIFF = Command(
    run_diff,
    "Inspect changes to files or directories on a container's filesystem",
    "CONTAINER",
    least=1,
    most=1,
    aliases=("container diff", "diff"),
)
EXPORT = Command(
    run_export,
    "Export a container's filesystem as a tar archive",
    "CONTAINER",
    flags="-o, --output string  Write to a file, instead of STDOUT",
    least=1,
    most=1,
    aliases=("container export", "export"),
)
PORT = Command(
    run_port,
    "List port mappings or a specific mapping for the container",
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    least=1,
    most=2,
    aliases=("container port", "port"),
)
