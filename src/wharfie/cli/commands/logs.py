"""`logs`: what a container wrote."""

from __future__ import annotations

import time

from wharfie.cli.command import Command
from wharfie.cli.commands.container import path_of
from wharfie.cli.context import Context
from wharfie.cli.output.values import mapping, text
from wharfie.cli.relay import write_all
from wharfie.client.framing import STDERR, Demultiplexer
from wharfie.formats.pflag import Values
from wharfie.formats.timestamps import parse_since

FLAGS = """
--details  Show extra details provided to logs
-f, --follow  Follow log output
--since string  Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
-n, --tail string  Number of lines to show from the end of the logs (default "all")
-t, --timestamps  Show timestamps
--until string  Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
"""  # noqa: E501


def run_logs(context: Context, flags: Values) -> int:
    """Print the logs of a container."""
    client = context.client
    document = client.json("GET", f"{path_of(flags.args[0])}/json")
    found = document if isinstance(document, dict) else {}
    query = {"stdout": "1", "stderr": "1", "tail": flags.text("tail")}
    for name in ("details", "follow", "timestamps"):
        if flags.on(name):
            query[name] = "1"
    for name in ("since", "until"):
        if flags.text(name):
            query[name] = parse_since(flags.text(name), time.time())
    response = client.call("GET", f"/containers/{text(found, 'Id')}/logs", query=query)
    if mapping(found, "Config").get("Tty") is True:
        for piece in response.pieces():
            write_all(1, piece)
        return 0
    demultiplexer = Demultiplexer()
    for piece in response.pieces():
        for stream, part in demultiplexer.feed(piece):
            write_all(2 if stream >= STDERR else 1, part)
    return 0


LOGS = Command(
    run_logs,
    "Fetch the logs of a container",
    "CONTAINER",
    flags=FLAGS,
    least=1,
    most=1,
    aliases=("container logs", "logs"),
)
