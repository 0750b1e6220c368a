"""`stats`: what containers use, once or live."""

from __future__ import annotations

import _thread
import time

from wharfie.cli.command import Command
from wharfie.cli.commands.container import path_of
from wharfie.cli.commands.formatflags import LIST
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.output.template import Listing
from wharfie.cli.output.usage import Usage, measure
from wharfie.cli.output.values import objects, short_id, text
from wharfie.client.daemon import stream_values
from wharfie.client.errors import ClientError
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.cli.output.template import Read

    Item = Mapping[str, object]

FLAGS = f"""
-a, --all  Show all containers (default shows just running)
{LIST}
--no-stream  Disable streaming stats and only pull the first result
--no-trunc  Do not truncate output
"""
_CLEAR, _HOME_AND_CLEAR, _CLEAR_LINE = "\x1b[J", "\x1b[H", "\x1b[K"
_TURN = 0.5


def _listing(*, truncate: bool) -> Listing:
    def value(name: str) -> Read:
        return lambda item: item.get(name) or "--"

    def identifier(item: Item) -> str:
        return short_id(text(item, "ID")) if truncate else text(item, "ID")

    heads = {
        "BlockIO": "BLOCK I/O",
        "CPUPerc": "CPU %",
        "MemPerc": "MEM %",
        "MemUsage": "MEM USAGE / LIMIT",
        "Name": "NAME",
        "NetIO": "NET I/O",
        "PIDs": "PIDS",
        "Container": "CONTAINER",
    }
    fields: dict[str, tuple[str, Read]] = {
        name: (head, value(name)) for name, head in heads.items()
    }
    return Listing(
        "*container.statsContext",
        "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}"
        "\t{{.PIDs}}",
        {**fields, "ID": ("CONTAINER ID", identifier)},
    )


def _names(context: Context, *, everything: bool) -> list[str]:
    query = {"all": "1"} if everything else {}
    found = objects(context.client.json("GET", "/containers/json", query=query))
    return [text(item, "Id")[:12] for item in found]


def _once(context: Context, names: list[str]) -> tuple[list[Item], list[str]]:
    rows: list[Item] = []
    problems: list[str] = []
    for name in names:
        path = f"{path_of(name)}/stats"
        try:
            found = context.client.json("GET", path, query={"stream": "0"})
        except ClientError as error:
            problems.append(str(error))
            continue
        if isinstance(found, dict):
            rows.append(measure(name, found).row())
    return rows, problems


class _Follower:
    """Keeps the newest figures of one container, read in a thread of its own."""

    def __init__(self, context: Context, name: str) -> None:
        self.usage: Usage | None = None
        self.ended = False
        self._name = name
        self._pending = context.client.begin("GET", f"{path_of(name)}/stats", query={"stream": "1"})
        _thread.start_new_thread(self._read, ())

    def _read(self) -> None:
        try:
            for found in stream_values(self._pending.response()):
                if isinstance(found, dict):
                    self.usage = measure(self._name, found)
        except ClientError:
            pass  # removed meanwhile: the row goes away
        self.ended = True


def _follow(context: Context, flags: Values, rows: Listing, source: str) -> int:
    followers: dict[str, _Follower] = {}
    terminal = is_terminal(1)
    while True:
        wanted = flags.args or _names(context, everything=flags.on("all"))
        for name in wanted:
            if name not in followers:
                followers[name] = _Follower(context, name)
        for name in [name for name in followers if name not in wanted]:
            del followers[name]
        if flags.args and all(follower.ended for follower in followers.values()):
            raise CommandError(f"Error: no statistics of {', '.join(flags.args)}")
        time.sleep(_TURN)
        items = [
            follower.usage.row() if follower.usage else {"ID": name, "Container": name}
            for name, follower in followers.items()
            if not follower.ended
        ]
        page = rows.render(items, source)
        if terminal:
            lines = "\n".join(line + _CLEAR_LINE for line in page.split("\n"))
            page = _HOME_AND_CLEAR + lines + _CLEAR
        context.write(page)
        context.flush()


def run_stats(context: Context, flags: Values) -> int:
    """Print the figures."""
    source = chosen_format(context, flags)
    rows = _listing(truncate=not flags.on("no-trunc"))
    if not flags.on("no-stream"):
        return _follow(context, flags, rows, source)
    names = flags.args or _names(context, everything=flags.on("all"))
    items, problems = _once(context, names)
    if problems and not items:
        raise CommandError("\n".join(problems))
    context.write(rows.render(items, source))
    if problems:
        raise CommandError("\n".join(problems))
    return 0


def chosen_format(context: Context, flags: Values) -> str:
    """Return the format: flag, configuration, or the table."""
    return flags.text("format") or context.config.text("statsFormat") or "table"


STATS = Command(
    run_stats,
    "Display a live stream of container(s) resource usage statistics",
    "[CONTAINER...]",
    flags=FLAGS,
    most=None,
    aliases=("container stats", "stats"),
)
