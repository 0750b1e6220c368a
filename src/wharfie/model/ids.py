"""Identifiers: types that keep IDs, digests and plain strings apart.

Container, exec and network IDs are 64 lower-case hex digits. Image IDs and content digests
carry their algorithm (`sha256:<hex>`). Source: Docker's stringid rules, OCI image spec.
"""

from __future__ import annotations

import re
import secrets
from typing import NewType

from wharfie.formats.digest import Digest as Digest  # noqa: PLC0414 - re-export

ContainerId = NewType("ContainerId", str)
ExecId = NewType("ExecId", str)
NetworkId = NewType("NetworkId", str)
EndpointId = NewType("EndpointId", str)
ImageId = NewType("ImageId", str)
ChainId = NewType("ChainId", str)
SnapshotKey = NewType("SnapshotKey", str)

SHORT_ID_LENGTH = 12
_FULL_ID = re.compile(r"[0-9a-f]{64}")


def generate_id() -> str:
    """Return 64 random hex digits whose first 12 are not all decimal.

    The short form becomes the default host name, and an all-numeric host name is refused by
    some tools. Source: moby `pkg/stringid`.
    """
    while True:
        value = secrets.token_hex(32)
        if not value[:SHORT_ID_LENGTH].isdigit():
            return value


def is_full_id(value: str) -> bool:
    """Tell whether `value` is 64 lower-case hex digits."""
    return _FULL_ID.fullmatch(value) is not None


def short(value: str) -> str:
    """Return the 12-digit form users see, without an algorithm prefix."""
    return value.rpartition(":")[2][:SHORT_ID_LENGTH]
