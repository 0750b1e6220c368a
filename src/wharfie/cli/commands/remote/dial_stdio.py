"""`system dial-stdio`: the daemon's end of an `ssh://` connection.

Standard input goes to a fresh connection with the daemon, what it says to standard output. Either
direction may end before the other; the session is over when the daemon has said its last.
"""

from __future__ import annotations

import _thread
import os

from wharfie.cli.command import Command
from wharfie.cli.connection import resolve_endpoint
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.relay import write_all
from wharfie.client.dialing import RECEIVE, Stream, dial
from wharfie.client.errors import TransportError
from wharfie.formats.pflag import Values


def run_dial(context: Context, _: Values) -> int:
    """Copy both ways until the daemon closes the connection."""
    try:
        stream = dial(resolve_endpoint(context.globals, context.config), tunnel=True)
    except TransportError as error:
        raise CommandError(f"failed to open the raw stream connection: {error}") from None
    _thread.start_new_thread(_send, (stream,))
    try:
        while data := stream.recv():
            write_all(1, data)
    except TransportError as error:
        raise CommandError(str(error)) from None
    return 0


def _send(stream: Stream) -> None:
    try:
        while data := os.read(0, RECEIVE):
            stream.send(data)
        stream.close_write()
        _await_reader_gone()
    except (OSError, TransportError):
        pass
    stream.abort()  # nobody is left to answer to


def _await_reader_gone() -> None:
    """Return once nobody can read our standard output: an idle stream would never notice."""
    import select

    poller = select.poll()
    poller.register(1, 0)  # errors and hang-ups are told unasked
    poller.poll()


DIAL = Command(
    run_dial,
    "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
)
