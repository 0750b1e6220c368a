"""`events`: what happens in the daemon, as it happens."""

from __future__ import annotations

import time

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LONG_DOCUMENT
from wharfie.cli.context import Context
from wharfie.cli.output.values import mapping, number, text
from wharfie.client.daemon import stream_values
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values
from wharfie.formats.timestamps import parse_since, rfc3339, rfc3339_nano

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FLAGS = f"""
-f, --filter filter  Filter output based on conditions provided
{LONG_DOCUMENT}
--since string  Show all events created since timestamp
--until string  Stream events until this timestamp
"""


def event_line(event: Mapping[str, object]) -> str:
    """Spell an event on one line."""
    moment = ""
    if number(event, "timeNano"):
        moment = rfc3339_nano(number(event, "timeNano")) + " "
    elif number(event, "time"):
        moment = rfc3339(number(event, "time")) + " "
    actor = mapping(event, "Actor")
    line = f"{moment}{text(event, 'Type')} {text(event, 'Action')} {text(actor, 'ID')}"
    attributes = mapping(actor, "Attributes")
    if attributes:
        line += " (" + ", ".join(f"{key}={attributes[key]}" for key in sorted(attributes)) + ")"
    return line


def run_events(context: Context, flags: Values) -> int:
    """Print events until the stream ends."""
    query: dict[str, str] = {}
    for name in ("since", "until"):
        if flags.text(name):
            query[name] = parse_since(flags.text(name), time.time())
    if flags.filters("filter"):
        query["filters"] = dumps(flags.filters("filter"))
    source = flags.text("format")
    template = None
    if source and source != "json":
        from wharfie.cli.output.template import compile_format, unescape

        template = compile_format(unescape(source), docker_words="Error parsing format: ")
    for event in stream_values(context.client.call("GET", "/events", query=query)):
        if not isinstance(event, dict):
            continue
        if template is not None:
            from wharfie.cli.output.documents import typed
            from wharfie.cli.output.template import render

            context.say(render(template, typed(event)))
        else:
            context.say(dumps(event) if source == "json" else event_line(event))
        context.flush()
    return 0


EVENTS = Command(
    run_events,
    "Get real time events from the server",
    flags=FLAGS,
    aliases=("system events", "events"),
)
