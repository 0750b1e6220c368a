"""The mapping of users and groups of containers that run in a user namespace.

On disk nothing is mapped: layers and volumes belong to the IDs the container sees, and mounts with
the same mapping (ID-mapped mounts) translate. So containers with the mapping and without share
images and volumes.
"""

from __future__ import annotations

from msgspec import Struct

from wharfie.formats.subids import IdRange


class Remapping(Struct, frozen=True):
    """The one mapping of an engine.

    Attributes:
        namespace: descriptor of a user namespace with these maps.
        uids: of users.
        gids: of groups.
    """

    namespace: int
    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    @property
    def root(self) -> tuple[int, int]:
        """What the container's root is on the host: user and group."""
        return self.uids[0].outside, self.gids[0].outside

    def on_host(self, uid: int, gid: int) -> tuple[int, int]:
        """What a container's user and group are on the host; those without an ID its root's."""
        return _outside(self.uids, uid), _outside(self.gids, gid)


def _outside(ranges: tuple[IdRange, ...], number: int) -> int:
    for inside, outside, size in ranges:
        if inside <= number < inside + size:
            return outside + number - inside
    return ranges[0].outside
