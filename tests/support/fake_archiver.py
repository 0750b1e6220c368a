"""An archiver that only looks: digests of layers, nothing unpacked."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator

import zstandard

from wharfie.model.archive import Limits, PathStat, Root, Unpacked
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.ids import Digest


class FakeArchiver:
    """`unpacked` are the directories filled, in the order they were finished."""

    def __init__(self) -> None:
        self.unpacked: list[str] = []

    async def unpack_layer(
        self, blob: int, directory: str, limits: Limits | None = None
    ) -> Unpacked:
        with os.fdopen(os.dup(blob), "rb") as file:
            data = file.read()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        elif data.startswith(b"\x28\xb5\x2f\xfd"):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                sizes = [member.size for member in archive]
        except tarfile.TarError as error:
            raise InvalidArgument(f"bad layer: {error}") from None
        self.unpacked.append(directory)
        digest = Digest("sha256:" + hashlib.sha256(data).hexdigest())
        return Unpacked(digest, sum(sizes), len(sizes))

    async def pack_layer(self, directory: str) -> AsyncIterator[bytes]:
        yield b"what was packed of " + directory.encode()

    async def pack_tree(self, root: Root) -> AsyncIterator[bytes]:
        yield b""

    async def stat(self, root: Root, path: str) -> PathStat:
        raise NotFound(path)

    async def copy_out(self, root: Root, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        raise NotFound(path)

    async def copy_in(
        self,
        root: Root,
        path: str,
        source: AsyncIterator[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        raise NotFound(path)
