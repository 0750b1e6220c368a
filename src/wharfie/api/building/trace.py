"""Our own stream of a build: every vertex, as `wharfie build` draws it; one JSON object a line.

{"vertex": {digest, name, inputs, started, completed, cached, error}}
{"status": {vertex, id, current, total, started, completed}}
{"log": {vertex, stream, data (base64), time}}
{"pull": …} {"warnings": […], "unused": […]} {"report": {…}} {"image": {id, names}}
{"errorDetail": …, "error": …}      times in seconds since the epoch
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from wharfie.api.building.classic import error_message, line
from wharfie.build.happenings import Built, Happening, Pulling, Reported, StepFailing, Warned
from wharfie.build.request import BuildRequest
from wharfie.model.build.errors import DockerfileError, StepFailed
from wharfie.model.build.plan import SourceRange
from wharfie.model.build.progress import VertexLog, VertexState, VertexStatus
from wharfie.model.errors import EngineError


def spell(happening: Happening) -> dict[str, object] | None:
    """One message; None for what the classic builder alone tells."""
    match happening:
        case VertexState():
            return {"vertex": msgspec.to_builtins(happening)}
        case VertexStatus():
            return {"status": msgspec.to_builtins(happening)}
        case VertexLog():
            return {"log": msgspec.to_builtins(happening)}
        case Pulling():
            return {"pull": happening.message}
        case Warned():
            found = msgspec.to_builtins(happening.warnings)
            return {"warnings": found, "unused": happening.unused_arguments}
        case Reported():
            return {"report": happening.report}
        case Built():
            return {"image": {"id": happening.image, "names": happening.names}}
        case _:
            return None


async def trace_stream(
    request: BuildRequest,  # noqa: ARG001 - as the classic stream
    happenings: AsyncIterator[Happening],
) -> AsyncIterator[bytes]:
    """The whole body; an error before the first message is raised, a later one is in the stream."""
    began = False
    location: SourceRange | None = None
    try:
        async for happening in happenings:
            if isinstance(happening, StepFailing):
                location = happening.location
            message = spell(happening)
            if message is not None:
                began = True
                yield line(message)
    except EngineError as error:
        if not began and not isinstance(error, DockerfileError):
            raise
        yield line(_failure(error, location))
    finally:
        close = getattr(happenings, "aclose", None)
        if close is not None:
            await close()


def _failure(error: EngineError, location: SourceRange | None) -> dict[str, object]:
    """The error, with what a client shows beside it: the command, the lines it stands in."""
    message = error_message(error)
    if isinstance(error, StepFailed):
        message["errorDetail"] = {
            "code": error.exit_code,
            "message": error.message,
            "arguments": error.arguments,
        }
    if isinstance(error, DockerfileError):
        message["excerpt"] = error.excerpt
        location = error.location or location
    if location is not None:
        message["location"] = msgspec.to_builtins(location)
    return message
