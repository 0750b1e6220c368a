"""What a build tells its caller, in order; how it is spelled is the caller's business.

Beside these a caller that wants it gets every `model.build.progress.BuildMessage`.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.model.build.plan import BuildWarning, SourceRange
from wharfie.model.build.progress import BuildMessage


class Pulling(Struct, frozen=True):
    """A message of a pull under way, as Docker's JSON."""

    message: dict[str, object]


class StepBegan(Struct, frozen=True, kw_only=True):
    """An instruction's turn has come.

    Attributes:
        number, total: counted from 1.
        text: the instruction.
        begins_stage: a FROM.
        triggers: ONBUILD instructions of the base image that were executed with a FROM.
    """

    number: int
    total: int
    text: str
    begins_stage: bool = False
    triggers: int = 0


class StepRuns(Struct, frozen=True):
    """The present instruction is executed; the name of what would be Docker's container."""

    container: str


class StepOutput(Struct, frozen=True):
    """Output of the present instruction: stream 1 is stdout, 2 is stderr."""

    stream: int
    data: bytes


class StepEnded(Struct, frozen=True):
    """The present instruction is done.

    Attributes:
        image: hexadecimal ID of the image so far, "" for the empty one.
        cached: nothing had to be done.
        container: of `StepRuns`, "" where nothing was executed.
        shows_image: False for a trigger that another one follows.
    """

    image: str
    cached: bool = False
    container: str = ""
    shows_image: bool = True


class StepFailing(Struct, frozen=True):
    """The present instruction failed; the build's error follows."""

    location: SourceRange


class Reported(Struct, frozen=True):
    """The answer to a request that builds nothing (`check`)."""

    report: dict[str, str]


class Warned(Struct, frozen=True):
    """What the frontend found."""

    warnings: list[BuildWarning]
    unused_arguments: list[str]


class Built(Struct, frozen=True, kw_only=True):
    """The image is there.

    Attributes:
        image: `sha256:` ID.
        names: as a user spells them, in the order they were asked for.
    """

    image: str
    names: list[str] = field(default_factory=list)


Happening = (
    Pulling
    | StepBegan
    | StepRuns
    | StepOutput
    | StepEnded
    | StepFailing
    | Reported
    | Warned
    | Built
    | BuildMessage
)
