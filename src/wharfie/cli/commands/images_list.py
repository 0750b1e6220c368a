"""`images`: list images."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST, chosen
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.output.images import DIGEST_COLUMNS, expand, listing
from wharfie.cli.pulling import screen_width
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values

_WIDTH = 80
FLAGS = f"""
-a, --all  Show all images (default hides intermediate images)
--digests  Show digests
-f, --filter filter  Filter output based on conditions provided
{LIST}
--no-trunc  Don't truncate output
-q, --quiet  Only show image IDs
--tree  List multi-platform images as a tree (EXPERIMENTAL)
"""


def run_list(context: Context, flags: Values) -> int:
    """Print the images."""
    filters = flags.filters("filter")
    if flags.args:
        filters.setdefault("reference", {})[flags.args[0]] = True
    query: dict[str, str] = {}
    if flags.on("all"):
        query["all"] = "1"
    if filters:
        query["filters"] = dumps(filters)
    if flags.on("tree"):
        return _print_tree(context, flags, query)
    source = chosen(context, flags, "imagesFormat")
    found = context.client.json("GET", "/images/json", query=query)
    digests = flags.on("digests")
    if flags.on("quiet") and source == "table":
        source = "{{.ID}}"
    rows = listing(truncate=not flags.on("no-trunc"))
    items = expand(found, digests=digests or ".Digest" in source)
    context.write(rows.render(items, source, DIGEST_COLUMNS if digests else ""))
    return 0


def _print_tree(context: Context, flags: Values, query: dict[str, str]) -> int:
    from wharfie.cli.output.imagetree import Tree

    # What Docker's client says of them.
    for name, said in (("quiet", "quiet"), ("no-trunc", "no-trunc"), ("digests", "show-digest")):
        if flags.on(name):
            raise CommandError(f"--{said} is not yet supported with --tree")
    if flags.text("format"):
        raise CommandError("--format is not yet supported with --tree")
    found = context.client.json("GET", "/images/json", query={**query, "manifests": "1"})
    width = screen_width(1)
    tree = Tree(width=width or _WIDTH, colors=bool(width))
    context.write(tree.render(found, untagged=flags.on("all")))
    return 0


LS = Command(
    run_list,
    "List images",
    "[REPOSITORY[:TAG]]",
    flags=FLAGS,
    most=1,
    aliases=("image ls", "image list", "images"),
)
