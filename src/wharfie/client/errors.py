"""What can go wrong between a program and the daemon.

ClientError
├── EndpointError      the address or its TLS files are unusable
│   └── InvalidSshUrl  … an ssh:// one
├── ConnectionFailed   no conversation came about
└── DaemonError        the daemon answered with an error status
    └── NotFound       … of 404
"""

from __future__ import annotations


class Cause:
    """Why a conversation fails, as far as it can be told; plain text, for quick start-up."""

    REFUSED = "refused"
    NO_SOCKET = "no socket"
    DENIED = "denied"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    WANTS_TLS = "wants TLS"
    SPEAKS_PLAIN = "speaks plain"
    WRONG_NAME = "wrong name"
    UNKNOWN_CA = "unknown CA"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_USE = "wrong use"
    CLIENT_REFUSED = "client refused"
    SSH = "ssh"


class ClientError(Exception):
    """Base of the errors of this package; `str()` is what a user reads."""


class EndpointError(ClientError):
    """The address or its TLS files are unusable."""


class InvalidSshUrl(EndpointError):
    """An `ssh://` address is malformed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"ssh host connection is not valid: invalid SSH URL: {why}")


class ConnectionFailed(ClientError):
    """No conversation with the daemon came about, or it broke."""


class UpgradeRefused(ClientError):
    """The daemon did not hand over the connection."""


class DaemonError(ClientError):
    """The daemon answered with an error status; `wordless` if it did not say why."""

    def __init__(self, status: int, message: str, *, wordless: bool = False) -> None:
        super().__init__(message if wordless else f"Error response from daemon: {message}")
        self.status = status
        self.message = message


class NotFound(DaemonError):
    """The daemon answered 404."""


class TransportError(ClientError):
    """A socket failed, described in Go's words; `Client` puts it into context.

    Attributes:
        kind: which of Docker's sentences it becomes.
        cause: one of `Cause`, empty when unknown.
    """

    def __init__(self, message: str, *, kind: str = "other", cause: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.cause = cause
