"""`image copy`: an image from engine to engine, without a registry; only missing layers travel."""

from __future__ import annotations

import sys

from wharfie.cli.command import Command
from wharfie.cli.errors import CommandError
from wharfie.cli.output.progress import show_messages
from wharfie.cli.output.values import mapping, sequence
from wharfie.cli.pulling import screen_width
from wharfie.client.daemon import escape, stream_values
from wharfie.client.errors import DaemonError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.cli.context import Context
    from wharfie.client.daemon import Client
    from wharfie.formats.pflag import Values


def run_copy(context: Context, flags: Values) -> int:
    """Copy an image to another daemon."""
    name, where = flags.args
    there = context.client_of(where)
    layers = _layers(context.client, name)
    missing = _missing(there, layers)
    if not flags.on("quiet"):
        context.note(f"{name}: sending {len(missing)} of {len(layers)} layers to {where}")
    query: dict[str, str | list[str]] = {"names": [name]}
    present = [layer for layer in layers if layer not in missing]
    if present:
        query["omit"] = present
    archive = context.client.call("GET", "/images/get", query=query)
    loaded = there.call(
        "POST",
        "/images/load",
        query={"quiet": "1" if flags.on("quiet") else "0"},
        data=archive.pieces(),
        headers={"Content-Type": "application/x-tar"},
    )
    show_messages(stream_values(loaded), out=sys.stdout, width=screen_width(1))
    return 0


def _layers(client: Client, name: str) -> list[str]:
    """Return the diff IDs of an image."""
    found = client.json("GET", f"/images/{escape(name, '/:@')}/json")
    document = found if isinstance(found, dict) else {}
    layers = [str(layer) for layer in sequence(mapping(document, "RootFS"), "Layers")]
    if not layers and not document.get("Id"):
        raise CommandError(f"{name}: the daemon does not say what it is made of")
    return layers


def _missing(client: Client, layers: list[str]) -> list[str]:
    """Return the layers a daemon lacks: all, when it is one that cannot tell."""
    if not layers:
        return []
    try:
        found = client.json("POST", "/images/missing", body={"DiffIDs": layers})
    except NotFound:
        return layers
    except DaemonError as error:
        raise CommandError(f"the other daemon: {error}") from None
    return [str(layer) for layer in sequence(found if isinstance(found, dict) else {}, "Missing")]


COPY = Command(
    run_copy,
    "Copy an image to another daemon; only layers it lacks are sent",
    "IMAGE HOST|CONTEXT",
    flags="""
    -q, --quiet  Suppress the progress output
    """,
    least=2,
    most=2,
)
