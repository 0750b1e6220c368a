"""Files of a container: archive in and out, changes, export. Running or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from wharfie.model.archive import PathStat
from wharfie.model.snapshot import Change


class ContainerFiles:
    """File verbs on containers."""

    async def stat(self, ref: str, path: str) -> PathStat:
        """Stat a path inside a container; NotFound `Could not find the file …`."""
        raise NotImplementedError

    async def copy_out(self, ref: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A path as a tar stream."""
        raise NotImplementedError

    async def copy_in(
        self,
        ref: str,
        path: str,
        source: AsyncIterator[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack a tar into a directory of a container."""
        raise NotImplementedError

    async def changes(self, ref: str) -> Sequence[Change]:
        """What the container changed in its root file system."""
        raise NotImplementedError

    async def export(self, ref: str) -> AsyncIterator[bytes]:
        """The container's root file system as a tar stream."""
        raise NotImplementedError
