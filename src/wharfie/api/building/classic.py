"""The classic builder's stream, as clients parse it: one JSON object a chunk.

    Step 1/2 : FROM busybox
     ---> 05f33a212526
    Step 2/2 : RUN true
     ---> Running in 2d53f2ae0b60
     ---> Removed intermediate container 2d53f2ae0b60
     ---> 905583ca08af
    Successfully built 905583ca08af

Source: Engine API, ImageBuild; moby `builder/dockerfile`, recorded from Docker 28.5.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Iterator

import msgspec

from wharfie.build.happenings import (
    Built,
    Happening,
    Pulling,
    Reported,
    StepBegan,
    StepEnded,
    StepOutput,
    StepRuns,
    Warned,
)
from wharfie.build.request import BuildRequest
from wharfie.model.build.errors import DockerfileError, StepFailed
from wharfie.model.errors import EngineError

_SHORT = 12
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


class ClassicStream:
    """Spells one build."""

    def __init__(self, request: BuildRequest) -> None:
        self._removes = request.removes
        self._warned: Warned | None = None
        self._decoders = {1: _decoder(), 2: _decoder()}

    def spell(self, happening: Happening) -> Iterator[dict[str, object]]:
        """The messages one happening becomes; none for those of other callers."""
        match happening:
            case Pulling():
                yield happening.message
            case StepBegan():
                yield from self._begin(happening)
            case StepRuns():
                yield _stream(f" ---> Running in {happening.container}\n")
            case StepOutput():
                yield from self._output(happening)
            case StepEnded():
                yield from self._end(happening)
            case Warned():
                self._warned = happening
            case Built():
                yield from self._built(happening)
            case Reported():
                yield _stream(happening.report.get("result.txt", ""))
            case _:
                return

    def _begin(self, began: StepBegan) -> Iterator[dict[str, object]]:
        yield _stream(f"Step {began.number}/{began.total} : {began.text}")
        yield _stream("\n")
        if began.triggers:
            # In these pieces, as Docker writes them.
            yield _stream(f"# Executing {began.triggers} build trigger")
            if began.triggers > 1:
                yield _stream("s")
            yield _stream("\n")

    def _output(self, output: StepOutput) -> Iterator[dict[str, object]]:
        text = self._decoders[output.stream].decode(output.data)
        if text:
            yield _stream(text if output.stream == 1 else f"{_RED}{text}{_PLAIN}")

    def _end(self, ended: StepEnded) -> Iterator[dict[str, object]]:
        if ended.cached:
            yield _stream(" ---> Using cache\n")
        if ended.container and self._removes:
            yield _stream(f" ---> Removed intermediate container {ended.container}\n")
        if ended.shows_image:
            yield _stream(f" ---> {ended.image[:_SHORT]}\n")

    def _built(self, built: Built) -> Iterator[dict[str, object]]:
        yield {"aux": {"ID": built.image}}
        unused = self._warned.unused_arguments if self._warned else []
        if unused:
            names = " ".join(sorted(unused))
            yield _stream(f"[Warning] One or more build-args [{names}] were not consumed\n")
        short = built.image.removeprefix("sha256:")[:_SHORT]
        yield _stream(f"Successfully built {short}\n")
        for name in built.names:
            yield _stream(f"Successfully tagged {name}\n")


async def classic_stream(
    request: BuildRequest, happenings: AsyncIterator[Happening]
) -> AsyncIterator[bytes]:
    """The whole body; an error before the first message is raised, a later one is in the stream.

    A quiet build says its ID alone, or everything when it fails.
    """
    stream = ClassicStream(request)
    kept: list[dict[str, object]] = []
    began = False
    try:
        async for happening in happenings:
            if request.quiet and isinstance(happening, Built):
                yield line(_stream(f"{happening.image}\n"))
                continue
            for message in stream.spell(happening):
                if request.quiet:
                    kept.append(message)
                else:
                    began = True
                    yield line(message)
    except EngineError as error:
        if not began and not kept and not _is_told_late(error):
            raise
        for message in kept:
            yield line(message)
        yield line(error_message(error))
    finally:
        close = getattr(happenings, "aclose", None)
        if close is not None:
            await close()


def _is_told_late(error: EngineError) -> bool:
    """What Docker finds out only while it builds, after its answer began."""
    return isinstance(error, DockerfileError) and not error.is_syntax


def error_message(error: EngineError) -> dict[str, object]:
    """An error inside a stream; a failed command's has its exit code."""
    detail: dict[str, object] = {"message": error.message}
    if isinstance(error, StepFailed):
        detail = {"code": error.exit_code, **detail}
    return {"errorDetail": detail, "error": error.message}


def line(message: dict[str, object]) -> bytes:
    """One chunk."""
    return msgspec.json.encode(message) + b"\r\n"


def _stream(text: str) -> dict[str, object]:
    return {"stream": text}


def _decoder() -> codecs.IncrementalDecoder:
    # A character may be cut in two by the end of a piece of output.
    return codecs.getincrementaldecoder("utf-8")("replace")
