"""The registrar: the one place where image records change: commit, then memory, then event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import structs

from wharfie.engine.events import EventBus
from wharfie.engine.images.records.catalog import Catalog, without_names
from wharfie.engine.images.records.selection import labels_of
from wharfie.model import clock
from wharfie.model.content import ContentStore
from wharfie.model.ids import ImageId
from wharfie.model.image import Image
from wharfie.model.snapshot import Snapshotter
from wharfie.model.store import Store, Transaction

_HOUR = len("2026-11-21T07")


class Registrar:
    """Records images and their references."""

    def __init__(
        self,
        store: Store,
        content: ContentStore,
        snapshotter: Snapshotter,
        catalog: Catalog,
        events: EventBus,
    ) -> None:
        self._store = store
        self._content = content
        self._snapshotter = snapshotter
        self._catalog = catalog
        self._events = events
        # What is written depends on what was read before: one change at a time.
        self._lock = asyncio.Lock()

    async def add(self, image: Image, *, tags: Iterable[str] = ()) -> Image:
        """Record an image, durably; one that is there keeps its references and gains these."""
        # Content and layers first: a record never names what a power cut may take away.
        await self._content.sync()
        await self._snapshotter.sync()
        async with self._lock:
            known = self._catalog.by_id(image.id)
            old_tags = known.tags if known else []
            old_digests = known.digests if known else []
            added = set(tags)
            merged = structs.replace(
                image,
                tags=sorted({*old_tags, *image.tags, *added}),
                digests=sorted({*old_digests, *image.digests}),
                tagged_at=clock.now() if added - set(old_tags) else _tagged_at(known, image),
            )
            displaced = self._displaced(merged)

            def commit(tx: Transaction) -> None:
                for other in displaced:
                    tx.images.put(other)
                tx.images.put(merged)

            await self._store.write(commit, durable=True)
            self._catalog.put(merged)
        return merged

    def _displaced(self, image: Image) -> list[Image]:
        """Images that lose a reference to this one, as they will be then."""
        lost: dict[ImageId, set[str]] = {}
        for name in (*image.tags, *image.digests):
            holder = self._catalog.holder(name)
            if holder is not None and holder.id != image.id:
                lost.setdefault(holder.id, set()).add(name)
        holders = {image_id: self._catalog.by_id(image_id) for image_id in lost}
        return [
            without_names(holder, lost[image_id])
            for image_id, holder in holders.items()
            if holder is not None
        ]

    async def apply(self, untag: Sequence[tuple[ImageId, str]], delete: Sequence[ImageId]) -> None:
        """Take references away and delete images, in one commit.

        Args:
            untag: references with the image they are taken from.
            delete: images; their rows go, their content is the caller's to collect.
        """
        async with self._lock:
            lost: dict[ImageId, set[str]] = {}
            for image_id, name in untag:
                lost.setdefault(image_id, set()).add(name)
            changed = [
                without_names(image, names)
                for image_id, names in lost.items()
                if image_id not in delete and (image := self._catalog.by_id(image_id)) is not None
            ]

            def commit(tx: Transaction) -> None:
                for image in changed:
                    tx.images.put(image)
                for image_id in delete:
                    tx.images.delete(image_id)

            await self._store.write(commit, durable=True)
            for image in changed:
                self._catalog.put(image)
            for image_id in delete:
                self._catalog.drop(image_id)

    async def mark_used(self, image_ids: Iterable[ImageId]) -> None:
        """Record that images are in use now; not more often than it matters."""
        moment = clock.now()
        async with self._lock:
            changed = [
                structs.replace(image, used_at=moment)
                for image_id in image_ids
                if (image := self._catalog.by_id(image_id)) is not None
                and image.used_at[:_HOUR] != moment[:_HOUR]
            ]
            if not changed:
                return

            def commit(tx: Transaction) -> None:
                for image in changed:
                    tx.images.put(image)

            await self._store.write(commit)
            for image in changed:
                self._catalog.put(image)

    def publish(self, action: str, image: Image, name: str = "") -> None:
        """Announce what happened to an image; `name` is the reference concerned.

        Source: behaviours 103.
        """
        attributes = {**labels_of(image), "name": name or image.id}
        self._events.publish("image", action, image.id, attributes)


def _tagged_at(known: Image | None, image: Image) -> str:
    return known.tagged_at if known else image.tagged_at
