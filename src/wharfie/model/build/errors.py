"""Errors of builds.

InvalidArgument
└── DockerfileError   a Dockerfile is wrong; says where
EngineError
└── StepFailed        a step ended with another code than 0
"""

from __future__ import annotations

from wharfie.model.build.plan import SourceRange
from wharfie.model.errors import EngineError, InvalidArgument


class DockerfileError(InvalidArgument):
    """A Dockerfile is wrong.

    Attributes:
        location: None where the whole file is meant.
        excerpt: the lines around, numbered, as BuildKit shows them; "" for none.
        is_syntax: found before anything was planned: POST /build answers 400, the rest is told in
            the stream.
    """

    def __init__(
        self,
        message: str,
        *,
        location: SourceRange | None = None,
        excerpt: str = "",
        is_syntax: bool = False,
    ) -> None:
        super().__init__(message)
        self.location = location
        self.excerpt = excerpt
        self.is_syntax = is_syntax


class StepFailed(EngineError):
    """A step's command failed.

    Attributes:
        arguments: the command.
        exit_code: 1 to 255.
    """

    def __init__(self, message: str, *, arguments: list[str], exit_code: int) -> None:
        super().__init__(message)
        self.arguments = arguments
        self.exit_code = exit_code
