"""The store of build contexts.

    <data-root>/build/contexts/
    ├── objects/<2 hex>/…      contents and blocks of manifests, kept for the next build
    ├── trees/<number>/files   one received context: hard links to those
    │                 /index   digest and path of each file
    ├── gone/                  being deleted
    └── state                  "clean", or the boot in which the objects are to be believed

Trees never outlive their daemon: those found at start are deleted. Objects do, and are not synced
when written; after a power cut, which is a start in another boot without a clean end before it,
they are not believed and go. A file's change time says when an object was last used: each link
made or removed sets it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from msgspec import Struct

from wharfie.formats.digest import Digest
from wharfie.kernel import openat2
from wharfie.kernel.sync import sync_file_system
from wharfie.kernel.trees import Trash
from wharfie.model.archive import Root
from wharfie.model.build.contexts import ContextDialog, ContextWorker, HeldContext
from wharfie.model.errors import InvalidArgument

_log = logging.getLogger(__name__)
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_CLEAN = "clean"
_KEEP = 10 * 1000**3
_CHECKED_EVERY = 10
"""Parts of what may stay that are received before it is looked whether that is too much."""
_O_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class _Object(Struct, frozen=True):
    """A stored content; `used` in seconds since the epoch."""

    path: str
    size: int
    used: float
    held: bool


class LocalContextStore:
    """See `model.build.contexts.ContextStore`. `open` before the first verb, `close` at the end.

    Args:
        data_root: absolute path.
        worker: fills trees.
        keep: bytes of contents that may stay after the last build that used them.
    """

    def __init__(self, data_root: str, worker: ContextWorker, *, keep: int = _KEEP) -> None:
        self._directory = os.path.join(data_root, "build", "contexts")
        self._worker = worker
        self._keep = keep
        self._numbers = itertools.count(1)
        self._pruning = asyncio.Lock()
        self._received = 0

    async def open(self) -> None:
        """Make the directories, drop what an earlier daemon left."""
        self._trash = await asyncio.to_thread(self._prepare)

    async def close(self) -> None:
        """Leave the objects so that the next start may believe them."""
        await asyncio.to_thread(self._leave)

    async def settle(self) -> None:
        """Wait until all trees that were let go of are deleted."""
        await asyncio.wrap_future(self._trash.settle())

    async def receive(self, source: AsyncIterator[bytes]) -> HeldContext:
        """A tar as it comes (see the port)."""
        return await self._fill(lambda root, n: self._worker.unpack_context(root, n, source))

    async def assemble(self, dialog: ContextDialog) -> HeldContext:
        """A manifest and what is lacking of it (see the port)."""
        return await self._fill(lambda root, n: self._worker.assemble_context(root, n, dialog))

    async def make(self, files: dict[str, bytes]) -> HeldContext:
        """A context of a few small files (see the port)."""
        number = await asyncio.to_thread(self._new_tree)

        def write() -> HeldContext:
            for name, data in files.items():
                if "/" in name or name in {"", ".", ".."}:
                    raise InvalidArgument(f"{name!r} is no name of a file")
                with open(os.path.join(self._tree(number), "files", name), "xb") as file:
                    file.write(data)
            return self._held(number, sum(map(len, files.values())))

        try:
            return await asyncio.to_thread(write)
        except BaseException:
            self._drop(number)
            raise

    async def usage(self) -> tuple[int, int]:
        """Bytes of everything stored, and of what no context holds just now."""
        found = await asyncio.to_thread(lambda: list(self._objects()))
        return sum(one.size for one in found), sum(one.size for one in found if not one.held)

    async def prune(self, *, keep: int, until: Callable[[float], bool] | None = None) -> int:
        """Delete what no context holds, least lately used first (see the port)."""
        async with self._pruning:
            return await asyncio.to_thread(self._prune, keep, until)

    async def _fill(self, work: Callable[[Root, int], Awaitable[int]]) -> HeldContext:
        number = await asyncio.to_thread(self._new_tree)
        root = os.open(self._directory, _O_DIRECTORY)
        try:
            size = await work(Root(descriptor=root), number)
            return await asyncio.to_thread(self._held, number, size)
        except BaseException:
            self._drop(number)
            raise
        finally:
            os.close(root)

    async def _tidy(self, number: int) -> None:
        """Let go of a tree, and of contents when there may be too many by now."""
        await asyncio.to_thread(self._drop, number)
        if self._received * _CHECKED_EVERY > self._keep and not self._pruning.locked():
            self._received = 0
            await self.prune(keep=self._keep)

    def _held(self, number: int, size: int) -> HeldContext:
        self._received += size
        tree = self._tree(number)
        return _Context(os.path.join(tree, "files"), size, _read_index(tree), self._release(number))

    def _release(self, number: int) -> Callable[[], Awaitable[None]]:
        return lambda: self._tidy(number)

    def _drop(self, number: int) -> None:
        # A rename; the rest happens in the thread of the trash.
        self._trash.throw(self._tree(number))

    def _tree(self, number: int) -> str:
        return os.path.join(self._directory, "trees", str(number))

    def _new_tree(self) -> int:
        number = next(self._numbers)
        os.mkdir(self._tree(number), 0o700)
        os.mkdir(os.path.join(self._tree(number), "files"), 0o755)
        return number

    def _prepare(self) -> Trash:
        for name in ("objects", "trees", "gone"):
            os.makedirs(os.path.join(self._directory, name), 0o700, exist_ok=True)
        trash = Trash(os.path.join(self._directory, "gone"))
        trash.empty()
        for name in os.listdir(os.path.join(self._directory, "trees")):
            trash.throw(os.path.join(self._directory, "trees", name))
        boot = _read(_BOOT_ID)
        if self._state() not in (_CLEAN, boot):
            trash.throw(os.path.join(self._directory, "objects"))
            os.mkdir(os.path.join(self._directory, "objects"), 0o700)
        self._write_state(boot)
        return trash

    def _leave(self) -> None:
        self._trash.close()
        if self._total() > self._keep:
            self._prune(self._keep, None)
        sync_file_system(self._directory)
        self._write_state(_CLEAN)

    def _state(self) -> str:
        return _read(os.path.join(self._directory, "state"))

    def _write_state(self, text: str) -> None:
        path = os.path.join(self._directory, "state")
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)

    def _objects(self) -> Iterator[_Object]:
        top = os.path.join(self._directory, "objects")
        for name in os.listdir(top):
            with os.scandir(os.path.join(top, name)) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    held = status.st_nlink > 1
                    yield _Object(entry.path, status.st_size, status.st_ctime, held)

    def _total(self) -> int:
        return sum(one.size for one in self._objects())

    def _prune(self, keep: int, until: Callable[[float], bool] | None) -> int:
        found = sorted(self._objects(), key=lambda one: one.used)
        total = sum(one.size for one in found)
        freed = 0
        for one in found:
            if total - freed <= keep:
                break
            if one.held or (until is not None and not until(one.used)):
                continue
            try:
                os.unlink(one.path)
            except FileNotFoundError:
                continue
            freed += one.size
        return freed


class _Context:
    """See `model.build.contexts.HeldContext`."""

    def __init__(
        self,
        directory: str,
        size: int,
        digests: dict[str, str],
        release: Callable[[], Awaitable[None]],
    ) -> None:
        self.directory = directory
        self.index = os.path.join(os.path.dirname(directory), "index") if digests else ""
        self.size = size
        self._digests = digests
        self._release: Callable[[], Awaitable[None]] | None = release

    def file_digest(self, path: str) -> Digest | None:
        """Digest of a regular file's bytes if it is known already, else None."""
        found = self._digests.get(path.strip("/"))
        return Digest(f"sha256:{found}") if found else None

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """A regular file inside (see the port)."""
        return await asyncio.to_thread(self._read, path, limit)

    def _read(self, path: str, limit: int) -> bytes | None:
        root = os.open(self.directory, _O_DIRECTORY)
        try:
            data = openat2.read_in_root(root, path, limit=limit + 1)
        finally:
            os.close(root)
        if data is not None and len(data) > limit:
            raise InvalidArgument(f"{path} is larger than {limit} bytes")
        return data

    async def close(self) -> None:
        """Let go of it; idempotent."""
        release, self._release = self._release, None
        if release is not None:
            await release()


def _read_index(tree: str) -> dict[str, str]:
    try:
        with open(os.path.join(tree, "index"), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    lines = data.decode(errors="surrogateescape").split("\0")
    return {line[65:]: line[:64] for line in lines if line}


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
