"""API versions: what is spoken, and the refusals of what is not. Source: api.md §1."""

from __future__ import annotations

from wharfie.model.errors import InvalidArgument

Version = tuple[int, ...]
FLOOR: Version = (1, 24)
CEILING: Version = (1, 51)


def parse_version(text: str, floor: Version = FLOOR) -> Version:
    """The version a path asks for; "" is the newest.

    Args:
        text: as in the path, without "v".
        floor: the oldest that is served.

    Raises:
        InvalidArgument: too old, too new, or not a version.
    """
    if not text:
        return CEILING
    try:
        version = tuple(int(part) for part in text.split("."))
    except ValueError:
        raise InvalidArgument(f"invalid API version: {text}") from None
    if version < floor:
        raise InvalidArgument(
            f"client version {text} is too old. Minimum supported API version is "
            f"{spell(floor)}, please upgrade your client to a newer version"
        )
    if version > CEILING:
        raise InvalidArgument(
            f"client version {text} is too new. Maximum supported API version is {spell(CEILING)}"
        )
    return version


def spell(version: Version) -> str:
    """As in a path: "1.51"."""
    return ".".join(map(str, version))
