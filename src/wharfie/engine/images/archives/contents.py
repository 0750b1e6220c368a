"""Which images an archive holds: docker-archive or image layout, to one kind of plan.

`manifest.json` is preferred where both are there, as Docker does: it names the images.
Source: docker save's format; OCI image spec, "Image Layout".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from wharfie.engine.images.archives.ingest import Archive, Stored
from wharfie.engine.images.records.catalog import platform_of
from wharfie.engine.images.records.documents import MAX_CONFIG, decode_config
from wharfie.formats.digest import hex_of, sha256_digest
from wharfie.formats.oci.archive import (
    BLOBS,
    IMAGE_NAME,
    INDEX_FILE,
    LAYOUT_FILE,
    MANIFEST_FILE,
    REF_NAME,
    REPOSITORIES_FILE,
    ArchivedImage,
    check_layout,
    parse_archive_manifest,
)
from wharfie.formats.oci.descriptor import Descriptor, Platform
from wharfie.formats.oci.document import MAX_DOCUMENT, DocumentError
from wharfie.formats.oci.manifest import Index, Manifest, is_image, parse_index, parse_manifest
from wharfie.formats.oci.platform import choose, rank, spell
from wharfie.formats.reference import InvalidReference, Reference, parse_reference
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.ids import ImageId
from wharfie.model.image import Image, ImageDocument

_MAX_NESTING = 4


class NoMatch(InvalidArgument):
    """An index holds nothing for a platform."""


class Plan(Struct, frozen=True, kw_only=True):
    """An image to make: its config, layers base first, and the names it is to have."""

    id: ImageId
    config: bytes
    document: ImageDocument
    layers: list[Stored]
    names: list[Reference]
    parent: str = ""


async def read_plans(
    archive: Archive, host: Platform, platforms: Sequence[Platform] = ()
) -> list[Plan]:
    """Find the images of an archive.

    Args:
        archive: what came.
        host: what images of an index are taken for, where no platforms are given.
        platforms: only images for these.

    Raises:
        InvalidArgument: it is none, or holds something malformed.
        NotFound: it holds nothing for the `platforms`.
    """
    try:
        # Only an image layout can hold one name for several platforms.
        if MANIFEST_FILE in archive and not (platforms and INDEX_FILE in archive):
            data = await archive.read(MANIFEST_FILE, limit=MAX_DOCUMENT)
            plans = [await _of_entry(archive, entry) for entry in parse_archive_manifest(data)]
            return _only(plans, platforms)
        if INDEX_FILE in archive:
            return await _of_layout(archive, host, platforms)
    except (DocumentError, InvalidReference) as error:
        raise InvalidArgument(f"invalid archive: {error}") from None
    if REPOSITORIES_FILE in archive:
        raise InvalidArgument(
            "archives of Docker before 1.10 (no manifest.json) are not supported: "
            "load the image with an older Docker and save it again"
        )
    raise InvalidArgument(
        "invalid archive: it has neither manifest.json nor index.json; "
        "a root file system is imported, not loaded"
    )


async def _of_entry(archive: Archive, entry: ArchivedImage) -> Plan:
    names = [parse_reference(tag) for tag in entry.repo_tags or ()]
    for name in names:
        if not name.tag or name.digest:
            raise InvalidArgument(f"invalid tag {name.familiar()!r}")
    return await _plan(archive, entry.config, entry.layers, names, parent=str(entry.parent or ""))


def _only(plans: list[Plan], platforms: Sequence[Platform]) -> list[Plan]:
    """Those for one of the platforms; all of them where none are given."""
    if not platforms:
        return plans
    chosen = [
        plan
        for plan in plans
        if any(rank(_platform_of(plan), wanted) is not None for wanted in platforms)
    ]
    if plans and not chosen:
        raise NotFound(
            f"no image of the archive matches the specified platform "
            f"({', '.join(map(spell, platforms))}): it holds "
            + ", ".join(dict.fromkeys(spell(_platform_of(plan)) for plan in plans))
        )
    return chosen


def _platform_of(plan: Plan) -> Platform:
    return platform_of(Image(id=plan.id, document=plan.document))


async def _of_layout(archive: Archive, host: Platform, platforms: Sequence[Platform]) -> list[Plan]:
    if LAYOUT_FILE in archive:
        check_layout(await archive.read(LAYOUT_FILE, limit=MAX_DOCUMENT))
    index = parse_index(await archive.read(INDEX_FILE, limit=MAX_DOCUMENT))
    by_name: dict[str, list[Descriptor]] = {}
    for descriptor in index.manifests:
        if is_image(descriptor):
            by_name.setdefault(_name_of(descriptor), []).append(descriptor)
    plans: dict[ImageId, Plan] = {}
    missed: NoMatch | None = None
    for name, descriptors in by_name.items():
        names = [parse_reference(name).tagged()] if name else []
        # A name belongs to one image: to that for this host, if it is among them.
        for wanted in sorted(platforms, key=lambda one: rank(one, host) is not None) or [host]:
            try:
                manifest = await _manifest(archive, _pick(descriptors, wanted), wanted, 0)
            except NoMatch as error:
                if not platforms:
                    raise
                missed = error
                continue
            config = BLOBS + hex_of(manifest.config.digest)
            layers = [BLOBS + hex_of(layer.digest) for layer in manifest.layers]
            plan = await _plan(archive, config, layers, names)
            known = plans.get(plan.id)
            plans[plan.id] = plan if known is None else _with_names(known, names)
    if missed is not None and not plans:
        raise NotFound(missed.message)
    return _only(list(plans.values()), platforms)


def _with_names(plan: Plan, names: list[Reference]) -> Plan:
    return Plan(
        id=plan.id,
        config=plan.config,
        document=plan.document,
        layers=plan.layers,
        names=[*plan.names, *names],
        parent=plan.parent,
    )


def _name_of(descriptor: Descriptor) -> str:
    """The reference an index entry gives, "" for none: a bare tag names nothing."""
    name = descriptor.annotations.get(IMAGE_NAME, "")
    if name:
        return name
    reference = descriptor.annotations.get(REF_NAME, "")
    return reference if "/" in reference or ":" in reference else ""


def _pick(descriptors: list[Descriptor], host: Platform) -> Descriptor:
    """The entry for this host; a single one is taken whatever it is for."""
    if len(descriptors) == 1:
        return descriptors[0]
    chosen = choose(descriptors, host)
    if chosen is None:
        raise NoMatch(
            f"no matching manifest for {spell(host)} in the manifest list entries: "
            + ", ".join(_platforms(descriptors))
        )
    return chosen


def _platforms(descriptors: Iterable[Descriptor]) -> list[str]:
    return [spell(entry.platform) for entry in descriptors if entry.platform is not None][:20]


async def _manifest(
    archive: Archive, descriptor: Descriptor, host: Platform, depth: int
) -> Manifest:
    data = await archive.read(BLOBS + hex_of(descriptor.digest), limit=MAX_DOCUMENT)
    if len(data) != descriptor.size:
        raise DocumentError(f"manifest {descriptor.digest} does not have the announced size")
    document = parse_manifest(data, descriptor.media_type)
    if isinstance(document, Index):
        if depth >= _MAX_NESTING:
            raise DocumentError("indexes are nested too deeply")
        images = [entry for entry in document.manifests if is_image(entry)]
        if not images:
            raise DocumentError(f"index {descriptor.digest} holds no image")
        return await _manifest(archive, _pick(images, host), host, depth + 1)
    return document


async def _plan(
    archive: Archive, config: str, layers: list[str], names: list[Reference], *, parent: str = ""
) -> Plan:
    data = await archive.read(config, limit=MAX_CONFIG)
    document = decode_config(data)
    expected = len(document.rootfs.diff_ids)
    if len(layers) != expected:
        raise InvalidArgument(
            f"invalid manifest, layers length mismatch: expected {expected}, got {len(layers)}"
        )
    return Plan(
        id=ImageId(sha256_digest(data)),
        config=data,
        document=document,
        layers=[await archive.blob(layer) for layer in layers],
        names=names,
        parent=parent,
    )
