"""Names of volumes. Source: behaviours 34, 45."""

from __future__ import annotations

import re

from wharfie.model.errors import InvalidArgument

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_LONGEST = 255


def check_name(name: str) -> str:
    """The name itself; InvalidArgument in Docker's words when no volume can have it."""
    if len(name) == 1:
        raise InvalidArgument(
            "volume name is too short, names should be at least two alphanumeric characters"
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidArgument(
            f'"{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
            "use absolute path"
        )
    if len(name) > _LONGEST:
        raise InvalidArgument(f"volume name is too long, at most {_LONGEST} characters")
    return name
