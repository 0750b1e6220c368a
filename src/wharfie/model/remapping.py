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
