"""Volumes as tar streams: backup out, restore in."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence

from wharfie.engine.volumes.service import Volumes
from wharfie.model.archive import Archiver, Root
from wharfie.model.errors import Conflict
from wharfie.model.volume import Holder


class VolumeArchives:
    """Reads and writes volumes whole, whoever uses them.

    Args:
        volumes: which there are.
        archiver: packs and unpacks, confined.
        holders: running containers that have a volume.
    """

    def __init__(
        self, volumes: Volumes, archiver: Archiver, holders: Callable[[str], Sequence[Holder]]
    ) -> None:
        self._volumes = volumes
        self._archiver = archiver
        self._holders = holders

    async def backup(self, name: str) -> AsyncIterator[bytes]:
        """A volume's data as a tar; of one in use, as it is while it is read.

        Raises:
            NoSuchVolume: nothing has this name.
            Internal: it cannot be mounted.
        """
        root = await self._open(name)
        try:
            _, chunks = await self._archiver.copy_out(Root(descriptor=root), "/.")
        except BaseException:
            await self._close(name, root)
            raise
        return self._until_end(name, root, chunks)

    async def restore(
        self, name: str, source: AsyncIterator[bytes], *, force: bool = False
    ) -> None:
        """Unpack a tar (compressed or not) into a volume.

        Raises:
            NoSuchVolume: nothing has this name.
            Conflict: a running container has it, or it is not empty; not with `force`.
            InvalidArgument: no tar.
        """
        if not force and self._holders(name):
            raise Conflict(f"restore {name}: volume is in use by a running container")
        root = await self._open(name)
        try:
            if not force and os.listdir(root):
                raise Conflict(f"restore {name}: volume is not empty")
            await self._archiver.copy_in(Root(descriptor=root), "/", source)
        finally:
            await self._close(name, root)

    async def _open(self, name: str) -> int:
        ready = await self._volumes.attach(name, user=_user(name), holders=self._holders(name))
        path = ready.source if ready.descriptor is None else f"/proc/self/fd/{ready.descriptor}"
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            if ready.descriptor is not None:
                os.close(ready.descriptor)

    async def _close(self, name: str, root: int) -> None:
        os.close(root)
        await self._volumes.detach(name, user=_user(name))

    async def _until_end(
        self, name: str, root: int, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await self._close(name, root)


def _user(name: str) -> str:
    return f"archive-{name}"
