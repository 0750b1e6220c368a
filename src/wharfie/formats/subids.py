"""Ranges of subordinate user and group IDs, and the mapping of a user namespace made of them.

    /etc/subuid   dockremap:100000:65536     name or number : first ID of the host : how many

Source: subuid(5), user_namespaces(7); docs.docker.com, "Isolate containers with a user namespace".
"""

from __future__ import annotations

from typing import NamedTuple

_LIMIT = 2**32 - 1


class IdRange(NamedTuple):
    """IDs from `inside` of a namespace are those from `outside` of its parent, `size` of them."""

    inside: int
    outside: int
    size: int


def parse_subids(text: str, name: str, number: int | None) -> list[IdRange]:
    """The mapping that the lines of one user (or group) add up to, in their order.

    Args:
        text: of /etc/subuid or /etc/subgid; lines of another form are skipped.
        name: whose.
        number: the same one's ID, None when there is none.
    """
    found: list[IdRange] = []
    inside = 0
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        is_owner = owner == name or (number is not None and owner == str(number))
        if not (is_owner and _is_number(first) and _is_number(count)):
            continue
        size = int(count)
        if size < 1 or int(first) + size > _LIMIT:
            continue
        found.append(IdRange(inside, int(first), size))
        inside += size
    return found


def format_map(ranges: list[IdRange]) -> str:
    """What is written to /proc/<pid>/uid_map."""
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_LIMIT))
