"""How a command ends early."""

from __future__ import annotations


class CommandError(Exception):
    """The command failed; the message goes to stderr.

    Attributes:
        code: the exit code.
        partial: data that was made before it failed, for stdout.
    """

    def __init__(self, message: str, *, code: int = 1, partial: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.partial = partial
