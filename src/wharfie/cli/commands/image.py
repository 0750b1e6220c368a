"""The verbs on images: `load`, `save`, `rmi`, `tag`."""

from __future__ import annotations

import sys

from wharfie.cli.command import Command
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.files import open_input, read_pieces, write_stream
from wharfie.cli.output.progress import show_messages
from wharfie.cli.output.values import objects
from wharfie.cli.pulling import screen_width
from wharfie.cli.references import Reference, parse_reference
from wharfie.client.daemon import escape, stream_values
from wharfie.client.errors import ClientError, NotFound
from wharfie.formats.pflag import Values

_PLATFORM = 'Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'


def platform_json(text: str) -> str:
    """Return `os/arch/variant` as the JSON object the API takes."""
    from wharfie.formats.gojson import dumps

    names = ("os", "architecture", "variant")
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise CommandError(f'invalid platform: "{text}": specifier component is empty or unknown')
    return dumps(dict(zip(names, parts, strict=False)))


def run_load(context: Context, flags: Values) -> int:
    """Load images from a tar archive."""
    path = flags.text("input")
    if not path and is_terminal(0):
        raise CommandError("requested load from stdin, but stdin is empty")
    handle = open_input(path) if path else 0
    query = {"quiet": "1" if flags.on("quiet") or not is_terminal(1) else "0"}
    if flags.text("platform"):
        query["platform"] = platform_json(flags.text("platform"))
    response = context.client.call(
        "POST",
        "/images/load",
        query=query,
        data=read_pieces(handle),
        headers={"Content-Type": "application/x-tar"},
    )
    show_messages(stream_values(response), out=sys.stdout, width=screen_width(1))
    return 0


def run_save(context: Context, flags: Values) -> int:
    """Write images as a tar archive."""
    output = flags.text("output")
    if not output and is_terminal(1):
        raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    query: dict[str, str | list[str]] = {"names": flags.args}
    if flags.text("platform"):
        query["platform"] = platform_json(flags.text("platform"))
    response = context.client.call("GET", "/images/get", query=query)
    write_stream(response.pieces(), output, "failed to save image")
    return 0


def run_rm(context: Context, flags: Values) -> int:
    """Remove images; print what was untagged and deleted."""
    query: dict[str, str | list[str]] = {}
    if flags.on("force"):
        query["force"] = "1"
    if flags.on("no-prune"):
        query["noprune"] = "1"
    if flags.items("platform"):
        query["platforms"] = [platform_json(text) for text in flags.items("platform")]
    problems: list[str] = []
    fatal = False
    for name in flags.args:
        try:
            found = context.client.json("DELETE", f"/images/{escape(name, '/:@')}", query=query)
        except ClientError as error:
            problems.append(str(error))
            fatal = fatal or not isinstance(error, NotFound)
            continue
        for line in _removed(found):
            context.say(line)
    if problems and flags.on("force") and not fatal:
        context.note("\n".join(problems))
    elif problems:
        raise CommandError("\n".join(problems))
    return 0


def _removed(found: object) -> list[str]:
    """Spell what was removed, one line each."""
    return [
        f"{word}: {item[word]}"
        for item in objects(found)
        for word in ("Deleted", "Untagged")
        if item.get(word)
    ]


def _target(text: str) -> Reference:
    try:
        reference = parse_reference(text)
    except ValueError as error:
        raise CommandError(
            f'Error parsing reference: "{text}" is not a valid repository/tag: {error}'
        ) from None
    if reference.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    return reference.with_default_tag()


def run_tag(context: Context, flags: Values) -> int:
    """Give an image a further name."""
    target = _target(flags.args[1])
    query = {"repo": target.name, "tag": target.tag}
    context.client.done("POST", f"/images/{escape(flags.args[0], '/:@')}/tag", query=query)
    return 0


LOAD = Command(
    run_load,
    "Load an image from a tar archive or STDIN",
    flags=f"""
    -i, --input string  Read from tar archive file, instead of STDIN
    --platform string  Load only the given platform variant. {_PLATFORM}
    -q, --quiet  Suppress the load output
    """,
    aliases=("image load", "load"),
)
SAVE = Command(
    run_save,
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    "IMAGE [IMAGE...]",
    flags=f"""
    -o, --output string  Write to a file, instead of STDOUT
    --platform string  Save only the given platform variant. {_PLATFORM}
    """,
    least=1,
    most=None,
    aliases=("image save", "save"),
)
RM = Command(
    run_rm,
    "Remove one or more images",
    "IMAGE [IMAGE...]",
    flags=f"""
    -f, --force  Force removal of the image
    --no-prune  Do not delete untagged parents
    --platform strings  Remove only the given platform variant. {_PLATFORM}
    """,
    least=1,
    most=None,
    aliases=("image rm", "image remove", "rmi"),
)
TAG = Command(
    run_tag,
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    least=2,
    most=2,
    aliases=("image tag", "tag"),
)
