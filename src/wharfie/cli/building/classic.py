"""The classic build: the context as a tar, the daemon's words as they come."""

from __future__ import annotations

import sys

from wharfie.cli.building.sending import pack
from wharfie.cli.errors import CommandError
from wharfie.cli.output.progress import show_messages
from wharfie.cli.pulling import screen_width
from wharfie.client.daemon import stream_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharfie.cli.building.query import Query
    from wharfie.cli.building.sources import Source
    from wharfie.cli.context import Context
    from wharfie.formats.pflag import Values


def build_classically(
    context: Context, flags: Values, source: Source, query: Query, headers: Mapping[str, str]
) -> str:
    """Build, and print what the daemon says; returns the image's ID.

    Raises:
        CommandError: it failed; the exit code is that of the failed command.
    """
    quiet = flags.on("quiet")
    if quiet:
        query["q"] = "1"
    if source.remote:
        query["remote"] = source.remote
    query["dockerfile"] = source.dockerfile or "Dockerfile"
    response = context.client.call(
        "POST",
        "/build",
        query=query,
        data=_body(source),
        headers={"Content-Type": "application/x-tar", **headers},
    )
    answer = _Answer(stream_values(response), quiet=quiet)
    show_messages(answer, out=sys.stdout, width=screen_width(1), on_aux=answer.take_aux)
    if answer.failure:
        if quiet:
            show_messages(answer.kept, out=sys.stderr, width=0)
        raise _failed(answer.failure)
    if quiet:
        answer.image = answer.said.strip()
        context.say(answer.image)
    return answer.image


class _Answer:
    """What the daemon says, shown as it comes unless the build is quiet."""

    def __init__(self, messages: Iterator[object], *, quiet: bool) -> None:
        self._messages = messages
        self._quiet = quiet
        self.kept: list[object] = []
        self.failure: dict[str, object] = {}
        self.image = ""

    def __iter__(self) -> Iterator[object]:
        for message in self._messages:
            if isinstance(message, dict) and "error" in message:
                self.failure = message
                return
            if self._quiet:
                self.kept.append(message)
            else:
                yield message

    def take_aux(self, aux: object) -> None:
        """An `aux` object: the image's ID."""
        if isinstance(aux, dict) and isinstance(aux.get("ID"), str):
            self.image = aux["ID"]

    @property
    def said(self) -> str:
        """All text of a quiet build."""
        return "".join(str(one.get("stream", "")) for one in self.kept if isinstance(one, dict))


def _body(source: Source) -> Iterator[bytes] | bytes:
    if source.archive is not None:
        return source.archive
    if source.tree is None:
        return b""
    return pack(source.tree)


def _failed(message: dict[str, object]) -> CommandError:
    detail = message.get("errorDetail")
    code = detail.get("code") if isinstance(detail, dict) else None
    return CommandError(str(message["error"]), code=code if isinstance(code, int) and code else 1)
