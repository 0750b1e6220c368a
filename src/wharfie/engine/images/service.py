"""Verbs on images. Source: behaviours 10-14, 123-146."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from msgspec import Struct, field

from wharfie.engine.events import EventBus
from wharfie.engine.images.archives.copying import missing_layers
from wharfie.engine.images.archives.loading import Loader
from wharfie.engine.images.archives.saving import Saver, choose_images
from wharfie.engine.images.archives.tars import LayerTars
from wharfie.engine.images.distribution.pulling import Puller, PullPorts, PullRequest
from wharfie.engine.images.distribution.pushing import Pusher, PushPorts, PushRequest
from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.images.distribution.unreachable import NoRegistries
from wharfie.engine.images.layers import LayerStore, Unpacker
from wharfie.engine.images.making.building import BuildImages
from wharfie.engine.images.making.committing import Committer, LayerCommit
from wharfie.engine.images.making.importing import Importer, ImportSpec, changed_config
from wharfie.engine.images.progress import Progress
from wharfie.engine.images.records import selection
from wharfie.engine.images.records.catalog import Catalog, check_platform, parse
from wharfie.engine.images.records.leases import Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.engine.images.records.rehearsal import freed_by, names_to_remove, rehearse
from wharfie.engine.images.records.removal import (
    ImageUse,
    RemovalPlan,
    plan_removal,
    spell_untagged,
)
from wharfie.engine.images.upkeep import Checker, CheckMessage, Collector, Disk, Watermarks
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import InvalidPlatform, normalize, parse_platform
from wharfie.formats.reference import DEFAULT_TAG, Reference, is_tag
from wharfie.model.archive import Archiver, Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import Conflict, Forbidden, InvalidArgument, NotFound
from wharfie.model.filters import ImageFilters, PruneFilters
from wharfie.model.ids import ChainId, Digest, ImageId
from wharfie.model.image import Image
from wharfie.model.registry import Registries
from wharfie.model.snapshot import Snapshotter
from wharfie.model.store import Store

__all__ = ["Deletion", "ImageUse", "Images", "Progress"]

_PARTIAL_LIFE = 7 * 24 * 3600.0
"""Seconds a broken-off download is kept for its next try."""


class Deletion(Struct, frozen=True, omit_defaults=True):
    """One effect of removing an image: exactly one field is set."""

    untagged: str = field(default="", name="Untagged")
    deleted: str = field(default="", name="Deleted")


class Images:
    """Verbs on images. `ref` is a reference, a digest reference, an ID or an ID prefix."""

    def __init__(
        self,
        store: Store,
        content: ContentStore,
        snapshotter: Snapshotter,
        archiver: Archiver,
        events: EventBus,
        *,
        host: Platform | None = None,
        limits: Limits | None = None,
        registries: Registries | None = None,
        downloads: Slots | None = None,
        uploads: Slots | None = None,
    ) -> None:
        """Begin; touches nothing.

        Args:
            store: records.
            content: blobs.
            snapshotter: unpacked layers.
            archiver: unpacks and packs.
            events: told of every change.
            host: the platform images are chosen for.
            limits: bounds against bombs.
            registries: None for an engine that reaches none.
            downloads: blobs fetched at the same time.
            uploads: blobs sent at the same time.
        """
        limits = limits or Limits()
        self._store = store
        self._content = content
        self._snapshotter = snapshotter
        self._catalog = Catalog(host or host_platform())
        self._leases = Leases(self._catalog, content, snapshotter)
        self._registrar = Registrar(store, content, snapshotter, self._catalog, events)
        self._events = events
        self._uses: Callable[[], Mapping[ImageId, Sequence[ImageUse]]] = dict
        self._pruning = False
        self._noted: set[ImageId] = set()
        self._builds = BuildImages(self._catalog, snapshotter, self._leases, self._registrar)
        unpacker = Unpacker(content, snapshotter, archiver)
        self._loader = Loader(
            catalog=self._catalog,
            content=content,
            snapshotter=snapshotter,
            unpacker=unpacker,
            leases=self._leases,
            registrar=self._registrar,
            limits=limits,
        )
        tars = LayerTars(content=content, snapshotter=snapshotter, archiver=archiver, limits=limits)
        self._saver = Saver(content=content, tars=tars, leases=self._leases)
        self._pusher = Pusher(
            PushPorts(
                catalog=self._catalog,
                content=content,
                tars=tars,
                leases=self._leases,
                registrar=self._registrar,
                uploads=uploads or Slots(5),
            ),
            registries or NoRegistries(),
            events,
        )
        self._puller = Puller(
            PullPorts(
                catalog=self._catalog,
                content=content,
                snapshotter=snapshotter,
                archiver=archiver,
                leases=self._leases,
                registrar=self._registrar,
                layers=LayerStore(snapshotter),
                downloads=downloads or Slots(3),
                limits=limits,
            ),
            registries or NoRegistries(),
            events,
            install_default=self.install_default_image,
        )
        self._checker = Checker(
            catalog=self._catalog,
            content=content,
            snapshotter=snapshotter,
            archiver=archiver,
            leases=self._leases,
            uses=lambda: self._uses(),  # noqa: PLW0108 - replaced by `open`
            refetch=lambda ref: self.pull(PullRequest(ref=ref, whole=True)),
        )
        self._committer = Committer(
            host=self._catalog.host,
            snapshotter=snapshotter,
            archiver=archiver,
            leases=self._leases,
            registrar=self._registrar,
        )
        self._importer = Importer(
            catalog=self._catalog,
            content=content,
            unpacker=unpacker,
            leases=self._leases,
            registrar=self._registrar,
            limits=limits,
        )

    async def open(self, uses: Callable[[], Mapping[ImageId, Sequence[ImageUse]]]) -> None:
        """At start: load records; `uses` tells which images containers hold.

        Blobs and layers of images that were never finished are deleted.
        """
        self._uses = uses
        for image in self._store.read(lambda tx: tx.images.all()):
            self._catalog.put(image)
        await self._content.expire_partials(older_than=_PARTIAL_LIFE)
        await self._leases.collect_all()

    @property
    def builds(self) -> BuildImages:
        """What builds need of images."""
        return self._builds

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._catalog)

    def get(self, ref: str, *, platform: str = "", platforms: Sequence[Platform] = ()) -> Image:
        """The image `ref` names.

        Args:
            ref: see the class.
            platform: what it must be for, as users write it; "" takes any.
            platforms: the same, one of these; none takes any.

        Raises:
            NoSuchImage: nothing matches (message with the tag: "x:latest").
            AmbiguousReference: an ID prefix matches several.
            NotFound: it is for another platform.
        """
        image = self._catalog.get(ref, platform=platform)
        check_platform(ref, image, platforms)
        return image

    def select(self, filters: ImageFilters, *, all_: bool = False) -> Sequence[Image]:
        """Images newest first."""
        return selection.select(self._catalog, filters, all_=all_, find=self._catalog.get)

    def children(self, image: Image) -> Sequence[Image]:
        """Images built on top of `image` (by parent)."""
        return self._catalog.children(image.id)

    def users(self, image: Image) -> Sequence[ImageUse]:
        """Containers that hold an image."""
        return self._uses().get(image.id, ())

    def ancestors(self, image: Image) -> list[Image]:
        """The images it was made from step by step, nearest first, as far as they are here."""
        found: list[Image] = []
        seen = {image.id}
        while (parent := self._catalog.by_id(ImageId(image.document.parent))) is not None:
            if parent.id in seen:
                break
            seen.add(parent.id)
            found.append(parent)
            image = parent
        return found

    def shared_size(self, image: Image) -> int:
        """Bytes of the layers an image shares with others."""
        others = {
            chain for other in self._catalog if other.id != image.id for chain in other.chain_ids
        }
        return sum(self._layer_size(chain) for chain in image.chain_ids if chain in others)

    def layers_size(self) -> int:
        """Bytes of all layers, each once."""
        return sum(layer.size for layer in self._snapshotter.layers())

    def load(
        self,
        source: AsyncIterator[bytes],
        *,
        quiet: bool,
        platforms: Sequence[Platform] = (),
    ) -> AsyncIterator[Progress]:
        """Load a docker-archive or OCI layout tar (plain, gzip, zstd); yields Docker's messages.

        Each image appears whole or not at all. Bad archives raise InvalidArgument.

        Args:
            source: the archive.
            quiet: no progress.
            platforms: only what is for these; of an index this host's where none are given.
        """
        return self._loader.load(source, quiet=quiet, platforms=platforms)

    def save(
        self,
        refs: Sequence[str],
        *,
        omit: Collection[Digest] = (),
        platforms: Sequence[Platform] = (),
    ) -> AsyncIterator[bytes]:
        """A tar that is both docker-archive and OCI layout; refusals are raised at the call.

        Args:
            refs: images.
            omit: diff IDs of layers to leave out (then it is a docker-archive only).
            platforms: what each image has to be for one of, where any are given.
        """
        return self._saver.save(choose_images(self._catalog, refs, platforms), omit=omit)

    def missing_layers(self, diff_ids: Sequence[Digest]) -> list[Digest]:
        """Those layers of an image that an archive loaded here must hold."""
        return missing_layers(self._catalog, self._content, self._snapshotter, diff_ids)

    def import_(
        self,
        source: AsyncIterator[bytes],
        *,
        repository: str,
        tag: str,
        message: str,
        changes: Sequence[str],
        platform: str,
    ) -> AsyncIterator[Progress]:
        """Make a one-layer image of a root file system tar; refusals are raised at the call."""
        try:
            wanted = parse_platform(platform, self._catalog.host) if platform else None
        except InvalidPlatform as error:
            raise InvalidArgument(str(error)) from None
        spec = ImportSpec(
            name=_tag_reference(repository, tag) if repository else None,
            message=message,
            config=changed_config(changes),
            platform=wanted or self._catalog.host,
        )
        return self._import(source, spec)

    async def commit(self, commit: LayerCommit, check: Callable[[], None]) -> Image:
        """Make an image of a container's writable layer.

        Args:
            commit: what.
            check: raises when the layer is being deleted; called once it was read.
        """
        return await self._committer.run(commit, check)

    def reference(self, repository: str, tag: str) -> Reference:
        """The reference an image is to get; refusals in Docker's words."""
        return _tag_reference(repository, tag)

    async def tag(self, ref: str, *, repository: str, tag: str) -> None:
        """Give an image a further reference; taken silently from another image."""
        image = self.get(ref)
        reference = _tag_reference(repository, tag)
        image = await self._registrar.add(image, tags=[str(reference)])
        self._registrar.publish("tag", image, reference.familiar())

    async def remove(
        self,
        ref: str,
        *,
        force: bool = False,
        prune: bool = True,
        platforms: Sequence[Platform] = (),
    ) -> list[Deletion]:
        """Untag, and delete what nothing refers to any more; Docker's conflicts.

        Raises:
            NoSuchImage: nothing matches.
            Conflict: containers or images need it.
        """
        self.get(ref, platforms=platforms)
        plan = plan_removal(self._catalog, self._uses(), ref, force=force, prune=prune)
        deletions, _ = await self._carry_out(plan)
        return deletions

    async def prune(self, filters: PruneFilters) -> tuple[list[Deletion], int]:
        """Delete unused images (dangling ones unless `dangling` is False); bytes reclaimed.

        With `dry_run` the same is only told; what broken-off pulls left is not counted then.

        Raises:
            Conflict: another prune is running.
        """
        if filters.dry_run:
            return self._rehearse(filters)
        if self._pruning:
            raise Conflict("a prune operation is already running")
        self._pruning = True
        try:
            deletions, reclaimed = await self._prune(filters)
        finally:
            self._pruning = False
        self._events.publish("image", "prune", "", {"reclaimed": str(reclaimed)})
        return deletions, reclaimed

    def check(self, *, repair: bool) -> AsyncIterator[CheckMessage]:
        """Verify every blob and layer, and mend them if asked; findings, then a summary."""
        return self._checker.run(repair=repair)

    def note_use(self, image: Image) -> None:
        """A container is made of it: it is not the first to go when room is needed."""
        self._noted.add(image.id)

    def collector(self, watermarks: Watermarks, disk: Disk) -> Collector:
        """What keeps the disk below a watermark; the caller runs it."""
        return Collector(
            watermarks,
            disk,
            catalog=self._catalog,
            uses=self._uses,
            mark_used=self._mark_used,
            remove=self._remove_unused,
            announce=lambda facts: self._events.publish("image", "gc", "", facts),
        )

    def pull(self, request: PullRequest) -> AsyncIterator[Progress]:
        """Pull an image; yields Docker's messages, refusals are raised at the call.

        Raises:
            InvalidArgument: not a reference, or not a platform.
        """
        return self._puller.pull(request)

    def push(self, request: PushRequest) -> AsyncIterator[Progress]:
        """Push a tag or all tags of a repository; refusals of the words are raised at the call.

        Raises:
            NotFound: no image has such a tag.
            InvalidArgument: not a reference.
        """
        return self._pusher.push(request)

    async def install_default_image(self, busybox: str = "") -> Image:
        """Load `busybox:latest` made of a static busybox of this host.

        Args:
            busybox: path of the program, "" for where distributions put it.

        Raises:
            NotFound: there is no static busybox here.
        """
        from wharfie.engine.images.making.default_image import (  # noqa: PLC0415 - rarely needed
            DEFAULT_REFERENCE,
            default_archive,
        )

        archive = await default_archive(busybox)

        async def source() -> AsyncIterator[bytes]:
            yield archive

        async for _ in self.load(source(), quiet=True):
            pass
        return self.get(DEFAULT_REFERENCE)

    async def _import(
        self, source: AsyncIterator[bytes], spec: ImportSpec
    ) -> AsyncIterator[Progress]:
        image = await self._importer.run(source, spec)
        yield {"status": image.id}

    async def _mark_used(self, image_ids: Sequence[ImageId]) -> None:
        noted, self._noted = self._noted, set()
        await self._registrar.mark_used({*image_ids, *noted})

    async def _remove_unused(self, image: Image) -> int:
        if self._uses().get(image.id) or image.id in self._noted:
            return 0
        try:
            plan = plan_removal(self._catalog, self._uses(), image.id, force=True, prune=True)
        except (Conflict, NotFound):
            return 0
        _, reclaimed = await self._carry_out(plan)
        return reclaimed

    def _rehearse(self, filters: PruneFilters) -> tuple[list[Deletion], int]:
        steps = rehearse(self._catalog, self._uses(), filters)
        deletions: list[Deletion] = []
        for step in steps:
            deletions += [Deletion(untagged=spell_untagged(name)) for _, name in step.plan.untag]
            deletions += [Deletion(deleted=image_id) for image_id in step.plan.delete]
            deletions += [Deletion(deleted=chain) for chain in step.chains]
        return deletions, freed_by(steps, self._layer_size)

    async def _prune(self, filters: PruneFilters) -> tuple[list[Deletion], int]:
        deletions: list[Deletion] = []
        reclaimed = 0
        used = self._uses()
        for image in list(self._catalog):
            if image.id in used or not selection.is_prunable(self._catalog, image, filters):
                continue
            for ref in names_to_remove(image):
                if self._catalog.by_id(image.id) is None:
                    break
                try:
                    plan = plan_removal(self._catalog, self._uses(), ref, force=False, prune=True)
                except Conflict:
                    continue
                done, size = await self._carry_out(plan)
                deletions += done
                reclaimed += size
        if not (filters.labels or filters.not_labels or filters.until):
            reclaimed += await self._forget_broken_pulls()
        return deletions, reclaimed

    async def _forget_broken_pulls(self) -> int:
        """Delete what broken-off pulls left for their next try; bytes reclaimed."""
        blobs = await asyncio.to_thread(self._content.digests)
        kept = {digest: self._content.size(digest) for digest in blobs if self._is_kept(digest)}
        freed = await self._content.expire_partials(older_than=0)
        await self._leases.collect(kept, ())
        return freed + sum(size for digest, size in kept.items() if not self._content.has(digest))

    def _is_kept(self, digest: Digest) -> bool:
        return self._content.is_kept(digest) and self._content.has(digest)

    async def _carry_out(self, plan: RemovalPlan) -> tuple[list[Deletion], int]:
        """Commit, announce, then delete what nobody needs any more; bytes reclaimed."""
        images = {image_id: self._catalog.by_id(image_id) for image_id in plan.delete}
        named = {image_id: self._catalog.by_id(image_id) for image_id, _ in plan.untag}
        await self._registrar.apply(plan.untag, plan.delete)
        deletions = [Deletion(untagged=spell_untagged(name)) for _, name in plan.untag]
        for image_id, _ in plan.untag:
            if (untagged := named[image_id]) is not None:
                self._registrar.publish("untag", untagged)
        reclaimed = 0
        for image_id, image in images.items():
            if image is None:
                continue
            self._registrar.publish("delete", image)
            deletions.append(Deletion(deleted=image_id))
            removed, size = await self._collect(image)
            deletions += [Deletion(deleted=chain) for chain in removed]
            reclaimed += size
        return deletions, reclaimed

    async def _collect(self, image: Image) -> tuple[list[ChainId], int]:
        sizes = {chain: self._layer_size(chain) for chain in image.chain_ids}
        blobs = {Digest(image.id), *(layer.digest for layer in image.layers)}
        if image.manifest is not None:
            blobs.add(image.manifest.digest)
        removed = await self._leases.collect(blobs, reversed(image.chain_ids))
        return removed, sum(sizes[chain] for chain in removed)

    def _layer_size(self, chain_id: ChainId) -> int:
        layer = self._snapshotter.layer(chain_id)
        return 0 if layer is None else layer.size


def host_platform() -> Platform:
    """The platform of this machine; amd64 with the baseline variant."""
    return normalize(Platform(os="linux", architecture=os.uname().machine))


def _tag_reference(repository: str, tag: str) -> Reference:
    """The reference a tag request asks for; refusals in Docker's words (behaviours 13)."""
    reference = parse(repository)
    if reference.digest or tag.startswith("sha256:"):
        raise InvalidArgument("refusing to create a tag with a digest reference")
    if tag and not is_tag(tag):
        raise InvalidArgument("invalid tag format")
    if reference.familiar_name == "sha256":
        raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
    if reference.familiar_name == "scratch":
        raise Forbidden("'scratch' is a reserved name")
    chosen = tag or reference.tag or DEFAULT_TAG
    return Reference(domain=reference.domain, path=reference.path, tag=chosen)
