"""The exit status a `wait` request brings."""

from __future__ import annotations

from wharfie.cli.context import Context
from wharfie.client.daemon import Pending
from wharfie.client.errors import ClientError

_FAILED = 125


def exit_status(context: Context, pending: Pending) -> int:
    """Wait for the end of a container; 125 when waiting itself fails."""
    try:
        document = pending.json()
    except ClientError as error:
        context.note(f"error waiting for container: {error}")
        return _FAILED
    if not isinstance(document, dict):
        context.note("error waiting for container: unexpected reply")
        return _FAILED
    problem = document.get("Error")
    if isinstance(problem, dict) and problem.get("Message"):
        context.note(f"Error waiting for container: {problem['Message']}")
        return _FAILED
    code = document.get("StatusCode")
    return code if isinstance(code, int) else _FAILED
