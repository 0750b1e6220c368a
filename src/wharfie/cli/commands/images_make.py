"""`commit` and `import`: images made from something else than a build."""

from __future__ import annotations

import sys

from wharfie.cli.command import Command
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.files import open_input, read_pieces
from wharfie.cli.output.progress import show_messages
from wharfie.cli.pulling import screen_width
from wharfie.cli.references import parse_reference
from wharfie.client.daemon import stream_values
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def run_commit(context: Context, flags: Values) -> int:
    """Make an image of a container; print its ID."""
    query: dict[str, str | list[str]] = {
        "container": flags.args[0],
        "comment": flags.text("message"),
        "author": flags.text("author"),
    }
    if len(flags.args) > 1:
        try:
            reference = parse_reference(flags.args[1])
        except ValueError as error:
            raise CommandError(str(error)) from None
        if reference.digest:
            raise CommandError("refusing to create a tag with a digest reference")
        reference = reference.with_default_tag()
        query["repo"], query["tag"] = reference.name, reference.tag
    if flags.items("change"):
        query["changes"] = flags.items("change")
    if not flags.on("pause") or flags.on("no-pause"):
        query["pause"] = "0"
    found = context.client.json("POST", "/commit", query=query)
    context.say(str(found.get("Id", "")) if isinstance(found, dict) else "")
    return 0


def run_import(context: Context, flags: Values) -> int:
    """Make an image of a tar archive: a file, stdin, or a URL the daemon fetches."""
    source = flags.args[0]
    pieces: Iterator[bytes] | None = None
    shown = "-"
    if source == "-":
        pieces = read_pieces(0)
    elif source.startswith(("http://", "https://", "git://", "git@", "github.com/")):
        shown = source
    else:
        pieces = read_pieces(open_input(source))
    query: dict[str, str | list[str]] = {"fromSrc": shown}
    if len(flags.args) > 1:
        query["repo"] = flags.args[1]
        try:
            parse_reference(flags.args[1])
        except ValueError as error:
            raise CommandError(str(error)) from None
    if flags.text("message"):
        query["message"] = flags.text("message")
    if flags.text("platform"):
        query["platform"] = flags.text("platform").lower()
    if flags.items("change"):
        query["changes"] = flags.items("change")
    headers = {"Content-Type": "text/plain"} if pieces is not None else {}
    response = context.client.call(
        "POST", "/images/create", query=query, data=pieces, headers=headers
    )
    show_messages(stream_values(response), out=sys.stdout, width=screen_width(1))
    return 0


COMMIT = Command(
    run_commit,
    "Create a new image from a container's changes",
    "CONTAINER [REPOSITORY[:TAG]]",
    flags="""
    -a, --author string  Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    -c, --change list  Apply Dockerfile instruction to the created image
    -m, --message string  Commit message
    -p, --pause  Pause container during commit (default true)
    %--no-pause  Do not pause container during commit
    """,
    least=1,
    most=2,
    aliases=("container commit", "commit"),
)
IMPORT = Command(
    run_import,
    "Import the contents from a tarball to create a filesystem image",
    "file|URL|- [REPOSITORY[:TAG]]",
    flags="""
    -c, --change list  Apply Dockerfile instruction to the created image
    -m, --message string  Set commit message for imported image
    --platform string  Set platform if server is multi-platform capable
    """,
    least=1,
    most=None,
    aliases=("image import", "import"),
)
