"""`ps`: list containers."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST, chosen
from wharfie.cli.context import Context
from wharfie.cli.output.containers import COLUMNS, listing
from wharfie.cli.output.values import objects
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

FLAGS = f"""
-a, --all  Show all containers (default shows just running)
-f, --filter filter  Filter output based on conditions provided
{LIST}
-n, --last int  Show n last created containers (includes all states) (default -1)
-l, --latest  Show the latest created container (includes all states)
--no-trunc  Don't truncate output
-q, --quiet  Only display container IDs
-s, --size  Display total file sizes
"""


def _query(flags: Values, source: str) -> dict[str, str]:
    query: dict[str, str] = {}
    if flags.on("all"):
        query["all"] = "1"
    limit = 1 if flags.on("latest") and not flags.has("last") else flags.number("last")
    if limit > 0:
        query["limit"] = str(limit)
    wants_size = flags.on("size")
    if not flags.has("size"):
        wants_size = ".Size" in source or "json .}}" in source.replace(" }", "}")
    if wants_size:
        query["size"] = "1"
    if flags.filters("filter"):
        query["filters"] = dumps(flags.filters("filter"))
    return query


def run_list(context: Context, flags: Values) -> int:
    """Print the containers."""
    source = chosen(context, flags, "psFormat")
    found = context.client.json("GET", "/containers/json", query=_query(flags, source))
    columns = COLUMNS + ("\t{{.Size}}" if flags.on("size") else "")
    if flags.on("quiet") and source == "table":
        source = "{{.ID}}"
    rows = listing(truncate=not flags.on("no-trunc"))
    context.write(rows.render(objects(found), source, columns))
    return 0


LS = Command(
    run_list,
    "List containers",
    flags=FLAGS,
    aliases=("container ls", "container list", "container ps", "ps"),
)
