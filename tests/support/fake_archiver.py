"""An archiver for tests of others: plain files, directories and symlinks, without a jail.

It believes its archives: no limits, no owners, no whiteouts. What it does do, it does as the port
says; tests/contract/test_archiver.py holds it to that.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence

import zstandard

from wharfie.jail import container_path, names
from wharfie.jail.errors import JobError
from wharfie.jail.protocol import Failure
from wharfie.model.archive import Limits, PathStat, Root, Unpacked
from wharfie.model.errors import EngineError, Forbidden, Internal, InvalidArgument, NotFound
from wharfie.model.ids import Digest

Chosen = Callable[[tarfile.TarInfo], tarfile.TarInfo | None]

_MAGIC: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x28\xb5\x2f\xfd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
_ERRORS: dict[Failure, type[EngineError]] = {
    Failure.NOT_FOUND: NotFound,
    Failure.INVALID_ARGUMENT: InvalidArgument,
    Failure.FORBIDDEN: Forbidden,
    Failure.INTERNAL: Internal,
}


class FakeArchiver:
    """`unpacked` are the directories filled, in the order they were finished."""

    def __init__(self) -> None:
        self.unpacked: list[str] = []

    async def unpack_layer(
        self, blob: int, directory: str, limits: Limits | None = None
    ) -> Unpacked:
        """Unpack, unless the directory is only a fake snapshotter's word."""
        with os.fdopen(os.dup(blob), "rb") as file:
            data = _decompress(file.read())
        where = directory if os.path.isdir(directory) else None
        size, entries = _extract(data, where)
        self.unpacked.append(directory)
        return Unpacked(Digest(f"sha256:{hashlib.sha256(data).hexdigest()}"), size, entries)

    async def unpack_growing(
        self,
        blob: int,
        directory: str,
        *,
        size: int,
        growth: AsyncIterator[int],
        told: Callable[[int], None] | None = None,
    ) -> Unpacked:
        there = 0
        while there < size:
            there += await anext(growth)
            if told is not None:
                told(there)
        with tempfile.TemporaryFile() as file:
            file.write(os.pread(blob, size, 0))
            file.seek(0)
            return await self.unpack_layer(file.fileno(), directory)

    async def pack_layer(self, directory: str) -> AsyncIterator[bytes]:
        """The directory's contents; of one that is not there, nothing."""
        yield _pack(directory, "") if os.path.isdir(directory) else bytes(1024)

    async def copy_layer(
        self, source: str, directory: str, *, leave_out: Sequence[str] = ()
    ) -> Unpacked:
        """By tar in memory; without what is left out and the directories that held only that."""
        left_out = frozenset(leave_out)
        above = {path[: path.index("/", 1)] for path in left_out if "/" in path[1:]} - left_out

        def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            path = "/" + member.name
            names = os.listdir(source + path) if member.isdir() else []
            inside = {f"{path}/{name}" for name in names}
            if path in left_out | above and inside <= left_out:
                return None
            return member

        data = _pack(source, "", chosen)
        size, entries = _extract(data, directory if os.path.isdir(directory) else None)
        digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
        return Unpacked(digest, size, entries, len(data))

    async def pack_tree(self, root: Root) -> AsyncIterator[bytes]:
        """The root's contents."""
        yield _pack(f"/proc/self/fd/{root.descriptor}/.", "")

    async def stat(self, root: Root, path: str) -> PathStat:
        """As the real one, by the same code."""
        try:
            return container_path.stat_path(root.descriptor, names.in_container(path))
        except JobError as error:
            raise _ERRORS[error.failure](str(error)) from None

    async def copy_out(self, root: Root, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """One piece."""
        found = await self.stat(root, path)
        name = names.base(names.in_container(path)).decode()
        packed = _pack(f"/proc/self/fd/{root.descriptor}/{path.lstrip('/')}", name)
        return found, _once(packed)

    async def copy_in(
        self,
        root: Root,
        path: str,
        source: AsyncIterator[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Unpack what came."""
        try:
            inside = names.in_container(path)
            container_path.check_target(root.descriptor, inside, read_only_root=root.read_only)
        except JobError as error:
            raise _ERRORS[error.failure](str(error)) from None
        data = _decompress(b"".join([chunk async for chunk in source]))
        where = f"/proc/self/fd/{root.descriptor}/{path.lstrip('/')}"
        _extract(data, where, keep_types=no_overwrite_dir_non_dir)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _decompress(data: bytes) -> bytes:
    for magic, decompress in _MAGIC.items():
        if data.startswith(magic):
            try:
                return decompress(data)
            except (EOFError, OSError, lzma.LZMAError, zstandard.ZstdError) as error:
                raise InvalidArgument(f"damaged archive: {error}") from None
    return data


def _extract(data: bytes, where: str | None, *, keep_types: bool = False) -> tuple[int, int]:
    size = entries = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                size += member.size
                entries += 1
                if where is not None:
                    _place(archive, member, where, keep_types=keep_types)
    except tarfile.TarError as error:
        raise InvalidArgument(f"bad archive: {error}") from None
    return size, entries


def _place(
    archive: tarfile.TarFile, member: tarfile.TarInfo, where: str, *, keep_types: bool
) -> None:
    name = os.path.normpath(member.name.lstrip("/") or ".")
    if name.startswith(".."):
        raise InvalidArgument(f"{member.name!r} is outside of the archive's root")
    path = os.path.join(where, name)
    if keep_types and os.path.lexists(path) and os.path.isdir(path) != member.isdir():
        raise InvalidArgument(f"cannot overwrite {name!r}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.isdir():
        os.makedirs(path, exist_ok=True)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.isfile():
        content = archive.extractfile(member)
        if content is None:
            raise InvalidArgument(f"bad archive: {name}")
        with open(path, "wb") as file:
            file.write(content.read())
        os.chmod(path, member.mode & 0o777)


def _pack(path: str, name: str, chosen: Chosen | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        if name:
            archive.add(path, name, recursive=stat.S_ISDIR(os.lstat(path).st_mode))
        else:
            for entry in sorted(os.listdir(path)):
                archive.add(os.path.join(path, entry), entry, filter=chosen)
    return buffer.getvalue()
