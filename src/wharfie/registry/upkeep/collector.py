"""Collecting garbage beside everything else.

A run reads everything without a lock, decides, and then claims each digest it would remove; what
somebody used since the run began cannot be claimed (`storage/pins.py`) and stays until the next.

    repository:  tags, and manifests that may not go      are roots
                 children of what lives, and what refers to it, live
                 other manifests go, parents first
                 links to blobs no living manifest names go after a grace
    blobs:       bytes no repository links to, and no manifest is, go after the same grace

Removing goes from names to bytes, so that a crash anywhere leaves only more garbage.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from msgspec import Struct

from wharfie.registry.config.values import Config
from wharfie.registry.documents import Document
from wharfie.registry.errors import Refused
from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.storage import Content, layout
from wharfie.registry.storage.turns import breathe
from wharfie.registry.upkeep.report import Report

_log = logging.getLogger(__name__)


class Facts(Struct, frozen=True, gc=False):
    """What a manifest says, as far as it matters here; there may be very many.

    Attributes:
        children: manifests of an index.
        blobs: config and layers.
        subject: "" for none.
    """

    children: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    subject: str = ""

    @classmethod
    def of(cls, document: Document) -> Facts:
        """The facts of a document."""
        return cls(
            tuple(one.digest for one in document.manifests),
            tuple(one.digest for one in document.blobs),
            document.subject,
        )


class Collector:
    """Collects the garbage of one registry."""

    def __init__(self, content: Content, config: Config) -> None:
        self._content = content
        self._config = config
        self._looked = 0

    async def collect(self, *, grace: float | None = None, dry_run: bool = False) -> Report:
        """Remove what nothing refers to.

        Args:
            grace: seconds since anybody was interested in a blob; None takes the configured ones.
            dry_run: only count.
        """
        run = _Run(self._config.gc.grace if grace is None else grace, Report(dry_run=dry_run))
        begun = time.monotonic()
        with self._content.pins.reading() as turn:
            run.turn = turn
            for repository in await self._repositories():
                try:
                    await self._tend(repository, run)
                except OSError as error:
                    # What cannot be read now is not garbage.
                    run.report.problem(f"{repository}: {error}")
                    run.is_blind = True
            await self._sweep_blobs(run)
        if not dry_run:
            self._content.usage.forget()
        run.report.seconds = time.monotonic() - begun
        _log.info("garbage collected: %s", run.report)
        return run.report

    async def _repositories(self) -> Collection[str]:
        store = self._content.store
        found: set[str] = set()
        for part in ("_manifests", "_layers", "_uploads"):
            found.update(await store.holding(layout.REPOSITORIES, part))
        return sorted(found)

    async def _tend(self, repository: str, run: _Run) -> None:
        report = run.report
        report.repositories += 1
        if not report.dry_run:
            age = self._config.storage.upload_age
            report.uploads += await self._content.uploads.sweep(repository, age)
        version = self._content.catalogue.version
        documents, is_whole = await self._documents(repository, report)
        dead = documents.keys() - await self._living(repository, documents)
        for digest in await asyncio.to_thread(parents_first, dead, documents):
            if await self._remove_manifest(repository, digest, run):
                del documents[digest]
        # Unreadable ones stay, and so does whatever they may need.
        run.used.update(await self._content.manifests.all(repository))
        if report.dry_run:
            run.used.difference_update(dead)
        needed = await asyncio.to_thread(_needed_by, documents.values())
        await self._tend_links(repository, needed, run, is_whole=is_whole)
        if not report.dry_run and not await self._content.manifests.all(repository):
            self._content.catalogue.removed(repository, version)

    async def _documents(self, repository: str, report: Report) -> tuple[dict[str, Facts], bool]:
        documents: dict[str, Facts] = {}
        is_whole = True
        for digest in await self._content.manifests.all(repository):
            try:
                document = await self._content.manifests.read(repository, digest)
                documents[digest] = Facts.of(document)
            except (NoSuchKey, Refused) as error:
                is_whole = False
                report.problem(f"{repository}@{digest} cannot be read: {error}")
            await self._pause()
        return documents, is_whole

    async def _living(self, repository: str, documents: Mapping[str, Facts]) -> set[str]:
        manifests, tags = self._content.manifests, self._content.tags
        roots: set[str] = set()
        for tag in await tags.all(repository):
            try:
                roots.add(await tags.get(repository, tag))
            except NoSuchKey:
                continue
            await self._pause()
        untagged = self._config.gc.untagged
        for digest in documents.keys() - roots:
            try:
                age = time.time() - await manifests.pushed(repository, digest)
            except NoSuchKey:
                continue
            may_go = 0 <= untagged < age or await manifests.is_released(repository, digest)
            if not may_go:
                roots.add(digest)
            await self._pause()
        return await asyncio.to_thread(living, roots, documents)

    async def _remove_manifest(self, repository: str, digest: str, run: _Run) -> bool:
        if run.report.dry_run:
            run.report.manifests += 1
            return True
        async with self._content.pins.claim(digest, run.turn) as claimed:
            if not claimed:
                run.report.kept += 1
                return False
            try:
                await self._content.manifests.delete(repository, digest)
            except NoSuchKey:
                return True
            run.report.manifests += 1
        return True

    async def _tend_links(
        self, repository: str, needed: set[str], run: _Run, *, is_whole: bool
    ) -> None:
        store, top = self._content.store, layout.layers(repository)
        for algorithm in await store.names(top):
            for encoded in await store.names(f"{top}/{algorithm}"):
                digest = layout.joined(algorithm, encoded)
                await self._pause()
                stays = digest in needed or not is_whole
                if stays or not await self._remove_link(repository, digest, run):
                    run.used.add(digest)

    async def _remove_link(self, repository: str, digest: str, run: _Run) -> bool:
        """Remove a link nothing needs any more; False when it stays."""
        try:
            found = await self._content.store.state(layout.layer(repository, digest))
        except NoSuchKey:
            return True
        if time.time() - found.modified < run.grace:
            return False
        if run.report.dry_run:
            run.report.links += 1
            return True
        async with self._content.pins.claim(digest, run.turn) as claimed:
            if not claimed:
                run.report.kept += 1
                return False
            await self._content.blobs.unlink(repository, digest)
            run.report.links += 1
        return True

    async def _sweep_blobs(self, run: _Run) -> None:
        if run.is_blind:
            # A repository that could not be read may use any of them.
            return
        store = self._content.store
        for algorithm in await store.names(layout.BLOBS):
            for prefix in await store.names(f"{layout.BLOBS}/{algorithm}"):
                for encoded in await store.names(f"{layout.BLOBS}/{algorithm}/{prefix}"):
                    digest = layout.joined(algorithm, encoded)
                    if digest not in run.used:
                        await self._remove_blob(digest, run)
                    await self._pause()

    async def _remove_blob(self, digest: str, run: _Run) -> None:
        try:
            found = await self._content.store.state(layout.blob(digest))
        except NoSuchKey:
            return
        if time.time() - found.modified < run.grace:
            return
        if run.report.dry_run:
            run.report.blobs += 1
            run.report.freed += found.size
            return
        async with self._content.pins.claim(digest, run.turn) as claimed:
            if not claimed:
                run.report.kept += 1
                return
            run.report.freed += await self._content.manifests.remove(digest)
            run.report.blobs += 1

    async def _pause(self) -> None:
        self._looked += 1
        await breathe(self._looked)


class _Run:
    """One run.

    Attributes:
        turn: see `Pins.reading`.
        used: digests some repository needs.
        is_blind: not everything could be read.
    """

    def __init__(self, grace: float, report: Report) -> None:
        self.grace = grace
        self.report = report
        self.turn = 0
        self.used: set[str] = set()
        self.is_blind = False


def _needed_by(documents: Collection[Facts]) -> set[str]:
    return {digest for one in documents for digest in (*one.blobs, *one.children)}


def living(roots: Collection[str], documents: Mapping[str, Facts]) -> set[str]:
    """What is reached from roots: children of an index, and what refers to a living subject."""
    referring: dict[str, list[str]] = {}
    for digest, document in documents.items():
        if document.subject:
            referring.setdefault(document.subject, []).append(digest)
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in found:
            continue
        found.add(digest)
        waiting += referring.get(digest, ())
        if digest in documents:
            waiting += documents[digest].children
    return found


def parents_first(dead: Collection[str], documents: Mapping[str, Facts]) -> list[str]:
    """An order in which no index stands without one of its manifests."""
    parents = dict.fromkeys(dead, 0)
    for digest in dead:
        for child in parents.keys() & documents[digest].children:
            parents[child] += 1
    order: list[str] = []
    waiting = sorted(digest for digest, count in parents.items() if not count)
    while waiting:
        digest = waiting.pop()
        order.append(digest)
        for child in parents.keys() & documents[digest].children:
            parents[child] -= 1
            if not parents[child]:
                waiting.append(child)
    return order
