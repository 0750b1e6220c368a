"""`pull` and `push`."""

from __future__ import annotations

import os
import sys

from wharfie.cli.command import Command
from wharfie.cli.context import Context
from wharfie.cli.credentials.store import registry_auth
from wharfie.cli.errors import CommandError
from wharfie.cli.output.progress import show_messages
from wharfie.cli.pulling import pull, screen_width
from wharfie.cli.references import Reference, parse_reference
from wharfie.client.daemon import stream_values
from wharfie.formats.pflag import Values


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except ValueError as error:
        raise CommandError(str(error)) from None


def run_pull(context: Context, flags: Values) -> int:
    """Pull an image; print its full name at the end."""
    reference = _reference(flags.args[0])
    if flags.on("all-tags"):
        if reference.tag or reference.digest:
            raise CommandError("tag can't be used with --all-tags/-a")
    else:
        tagged = reference.with_default_tag()
        if tagged is not reference and not flags.on("quiet"):
            context.say(f"Using default tag: {tagged.tag}")
            context.flush()
        reference = tagged
    platform = flags.text("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM", "")
    pull(
        context,
        reference,
        platform=platform,
        all_tags=flags.on("all-tags"),
        quiet=flags.on("quiet"),
    )
    context.say(reference.full)
    return 0


def run_push(context: Context, flags: Values) -> int:
    """Push an image."""
    reference = _reference(flags.args[0])
    if flags.on("all-tags"):
        if reference.tag or reference.digest:
            raise CommandError("tag can't be used with --all-tags/-a")
    elif not reference.tag:
        reference = reference.with_default_tag()
        if not flags.on("quiet"):
            context.say(f"Using default tag: {reference.tag}")
            context.flush()
    query = {} if flags.on("all-tags") else {"tag": reference.tag}
    if flags.text("platform"):
        from wharfie.cli.commands.image import platform_json

        query["platform"] = platform_json(flags.text("platform"))
    push(context, reference, query, quiet=flags.on("quiet"))
    return 0


def push(context: Context, reference: Reference, query: dict[str, str], *, quiet: bool) -> None:
    """Push an image, or all tags where the query names none; show how it goes."""
    response = context.client.call(
        "POST",
        f"/images/{reference.name}/push",
        query=query,
        headers={"X-Registry-Auth": registry_auth(context.config, reference.domain)},
    )
    if quiet:
        for message in stream_values(response):
            show_messages([message] if isinstance(message, dict) and "error" in message else [])
        context.say(reference.full)
    else:
        show_messages(stream_values(response), out=sys.stdout, width=screen_width(1))


_PUSH_PLATFORM = """
--platform string  Push a platform-specific manifest as a single-platform image to the registry.
|Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
|'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)
"""  # noqa: E501
PULL = Command(
    run_pull,
    "Download an image from a registry",
    "NAME[:TAG|@DIGEST]",
    flags="""
    -a, --all-tags  Download all tagged images in the repository
    --disable-content-trust  Skip image verification (default true)
    --platform string  Set platform if server is multi-platform capable
    -q, --quiet  Suppress verbose output
    """,
    least=1,
    most=1,
    aliases=("image pull", "pull"),
)
PUSH = Command(
    run_push,
    "Upload an image to a registry",
    "NAME[:TAG]",
    flags=f"""
    -a, --all-tags  Push all tags of an image to the repository
    --disable-content-trust  Skip image signing (default true)
    {_PUSH_PLATFORM}
    -q, --quiet  Suppress verbose output
    """,
    least=1,
    most=1,
    aliases=("image push", "push"),
)
