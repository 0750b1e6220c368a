"""The flags that all makers of certificates share."""

from __future__ import annotations

import os
import sys

from wharfie.cli.errors import CommandError
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from wharfie.pki.directory import Terms

_LONGEST_PASSPHRASE = 1024

KEY_FLAGS = """
    --days int  Days the certificates are valid (default 365)
    --force  Replace files that exist
    --key-type string  Kind of keys ("ecdsa-p256", "rsa-2048", "rsa-4096", ...) (default "ecdsa-p256")
    --passphrase-file string  File whose first line unlocks the CA's key, "-" for standard input
"""  # noqa: E501


def read_terms(values: Values) -> Terms:
    """Return what the flags say.

    Raises:
        CommandError: a kind of key nobody knows, or the passphrase cannot be read.
    """
    from wharfie.pki.directory import Terms
    from wharfie.pki.errors import PkiError
    from wharfie.pki.keys import parse_key_type

    try:
        return Terms(
            now=current_time(),
            days=values.number("days") if values.declares("days") else 1,
            key_type=parse_key_type(
                values.text("key-type") if values.declares("key-type") else "ecdsa"
            ),
            passphrase=read_passphrase(values.text("passphrase-file")),
            force=values.declares("force") and values.on("force"),
        )
    except PkiError as error:
        raise CommandError(str(error)) from None


def current_time() -> datetime:
    """Return the present moment."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


def read_passphrase(path: str) -> bytes | None:
    """Read a passphrase from a file, never from the command line, which everybody can see.

    Raises:
        CommandError: the file cannot be read.
    """
    if not path:
        return None
    try:
        if path == "-":
            line = sys.stdin.buffer.readline(_LONGEST_PASSPHRASE + 2)
        else:
            with open(path, "rb") as file:
                line = file.readline(_LONGEST_PASSPHRASE + 2)
    except OSError as error:
        raise CommandError(f"{path}: {os.strerror(error.errno or 0).lower()}") from None
    return line.rstrip(b"\r\n")
