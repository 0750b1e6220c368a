"""Ask the daemon to pull an image, and show how it goes."""

from __future__ import annotations

import sys

from wharfie.cli.context import Context, is_terminal
from wharfie.cli.credentials.store import registry_auth
from wharfie.cli.output.progress import show_messages
from wharfie.cli.references import Reference
from wharfie.cli.usage import terminal_width
from wharfie.client.daemon import stream_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def screen_width(descriptor: int) -> int:
    """Return the columns to draw progress on, 0 when the output is no terminal."""
    return terminal_width() if is_terminal(descriptor) else 0


def pull(
    context: Context,
    reference: Reference,
    *,
    platform: str = "",
    all_tags: bool = False,
    to_stderr: bool = False,
    quiet: bool = False,
) -> None:
    """Pull one image (or every tag of a repository), printing progress unless quiet."""
    query = {"fromImage": reference.name}
    if not all_tags:
        query["tag"] = reference.digest or reference.tag
    if platform:
        query["platform"] = platform
    headers = {"X-Registry-Auth": registry_auth(context.config, reference.domain)}
    response = context.client.call("POST", "/images/create", query=query, headers=headers)
    messages: Iterable[object] = stream_values(response)
    if quiet:
        messages = (
            m for m in messages if isinstance(m, dict) and m.keys() & {"error", "errorDetail"}
        )
    out = sys.stderr if to_stderr else sys.stdout
    show_messages(messages, out=out, width=screen_width(2 if to_stderr else 1))
