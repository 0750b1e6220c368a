"""Contexts the daemon is told the address of: git repositories, archives, single Dockerfiles.

They are fetched by the sources of `ADD`, with their guards and what they keep for the next time.
Source: moby `builder/remotecontext`; Engine API, ImageBuild, `remote`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Protocol

from wharfie.build.frontend.sources import parse_git
from wharfie.build.session import CallerSession
from wharfie.formats.digest import Digest
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.kernel import openat2
from wharfie.model.build.contexts import ContextStore, HeldContext
from wharfie.model.build.graph import SourceOp
from wharfie.model.build.solver import BuildJob
from wharfie.model.errors import InvalidArgument

_WEB = ("http://", "https://")
_GITHUB = "github.com/"
_FILE = "context"
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_USTAR = slice(257, 262)
_READ = 1 << 20
_MAX_DOCKERFILE = 4 << 20
_O_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Directory(Protocol):
    """What a source fetched."""

    directory: str


class Fetcher(Protocol):
    """A source of files from elsewhere."""

    async def fetch(self, operation: SourceOp, stack: AsyncExitStack) -> Directory:
        """Fetch, held by the stack."""


class FetchedContexts:
    """See `build.ports.RemoteContexts`."""

    def __init__(self, contexts: ContextStore, git: Fetcher, web: Fetcher) -> None:
        self._contexts = contexts
        self._git = git
        self._web = web

    async def fetch(self, url: str, job: BuildJob, session: CallerSession) -> HeldContext:
        """A git repository, an archive or a single Dockerfile as a context."""
        del job, session
        if url.startswith(_GITHUB):
            url = f"https://{url}"
        try:
            git = parse_git(url)
        except DockerfileProblem as error:
            raise InvalidArgument(str(error)) from None
        if git is not None or url.removeprefix("https://").startswith(_GITHUB):
            identifier = git.identifier if git is not None else f"git://{url}"
            return await self._checkout(SourceOp(identifier=identifier))
        if not url.startswith(_WEB):
            raise InvalidArgument(f"remoteURL ({url}) could not be recognized as URL")
        return await self._download(SourceOp(identifier=url, attributes={"filename": _FILE}))

    async def _checkout(self, operation: SourceOp) -> HeldContext:
        stack = AsyncExitStack()
        try:
            found = await self._git.fetch(operation, stack)
        except BaseException:
            await stack.aclose()
            raise
        return _Checkout(found.directory, stack)

    async def _download(self, operation: SourceOp) -> HeldContext:
        async with AsyncExitStack() as stack:
            found = await self._web.fetch(operation, stack)
            root = os.open(found.directory, _O_DIRECTORY)
            stack.callback(os.close, root)
            file = openat2.open_in_root(root, _FILE, os.O_RDONLY)
            stack.callback(os.close, file)
            head = await asyncio.to_thread(os.pread, file, 512, 0)
            if head.startswith(_ARCHIVES) or head[_USTAR] == b"ustar":
                return await self._contexts.receive(_pieces(file))
            data = await asyncio.to_thread(os.pread, file, _MAX_DOCKERFILE + 1, 0)
            if len(data) > _MAX_DOCKERFILE:
                raise InvalidArgument(f"{operation.identifier} is neither archive nor Dockerfile")
            return await self._contexts.make({"Dockerfile": data})


class _Checkout:
    """A checked-out repository as a context; its files stay where they are."""

    def __init__(self, directory: str, stack: AsyncExitStack) -> None:
        self.directory = directory
        self.size = 0
        self.index = ""
        self._stack = stack

    def file_digest(self, path: str) -> Digest | None:  # noqa: ARG002 - see the port
        """Not known."""
        return None

    async def read(self, path: str, *, limit: int) -> bytes | None:
        """A regular file inside, symlinks followed inside; None where there is none."""
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
        await self._stack.aclose()


async def _pieces(file: int) -> AsyncIterator[bytes]:
    at = 0
    while data := await asyncio.to_thread(os.pread, file, _READ, at):
        at += len(data)
        yield data
