"""`history`: the steps an image was made by."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST
from wharfie.cli.context import Context
from wharfie.cli.output.resources import history
from wharfie.cli.output.values import objects
from wharfie.client.daemon import escape
from wharfie.formats.pflag import Values

FLAGS = f"""
{LIST}
-H, --human  Print sizes and dates in human readable format (default true)
--no-trunc  Don't truncate output
--platform string  Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
-q, --quiet  Only show image IDs
"""  # noqa: E501


def run_history(context: Context, flags: Values) -> int:
    """Print the history of an image."""
    query = {}
    if flags.text("platform"):
        from wharfie.cli.commands.image import platform_json

        query["platform"] = platform_json(flags.text("platform"))
    path = f"/images/{escape(flags.args[0], '/:@')}/history"
    found = context.client.json("GET", path, query=query)
    source = flags.text("format") or "table"
    if flags.on("quiet") and source == "table":
        source = "{{.ID}}"
    rows = history(truncate=not flags.on("no-trunc"), human=flags.on("human"))
    context.write(rows.render(objects(found), source))
    return 0


HISTORY = Command(
    run_history,
    "Show the history of an image",
    "IMAGE",
    flags=FLAGS,
    least=1,
    most=1,
    aliases=("image history", "history"),
)
