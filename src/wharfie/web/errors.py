"""What can go wrong between a socket and a handler."""

from __future__ import annotations


class HttpError(Exception):
    """A request that HTTP itself refuses; `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientGone(HttpError):
    """The client went away before its request body was complete."""

    def __init__(self) -> None:
        super().__init__(499, "the client closed the connection")


class ListenError(Exception):
    """An address cannot be listened on; the text says why and what to do."""
