"""From a reference to what an image is made of: manifests, verified and checked against another.

Source: OCI image spec; behaviours 29, 132, 137; users.md C1.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from wharfie.engine.images.records.documents import MAX_CONFIG, decode_config
from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import CONFIGS, OCI_LAYER_GZIP, Descriptor, Platform
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.oci.manifest import Index, Manifest, is_image, parse_manifest
from wharfie.formats.oci.platform import choose, spell
from wharfie.model.archive import Limits
from wharfie.model.errors import NotFound
from wharfie.model.image import ImageDocument
from wharfie.model.registry import RegistryMisbehaves, RemoteManifest, Repository

_MAX_NESTING = 4
_FOREIGN = ("foreign", "nondistributable")


class Resolved(Struct, frozen=True, kw_only=True):
    """An image as its registry describes it.

    Attributes:
        digest: of what the reference names: the index, if there is one.
        manifest: the image's own manifest.
        parsed: the same, decoded.
    """

    digest: Digest
    manifest: RemoteManifest
    parsed: Manifest


async def resolve(repository: Repository, ref: str, platform: Platform, *, name: str) -> Resolved:
    """Find the manifest for a platform.

    Args:
        repository: where to ask.
        ref: tag or digest.
        platform: the wanted one.
        name: of the image, for errors.

    Raises:
        NotFound: no image of the platform.
        RegistryMisbehaves: malformed documents, or other than announced.
    """
    manifest = await repository.manifest(ref)
    top = manifest.digest
    for _ in range(_MAX_NESTING):
        try:
            parsed = parse_manifest(manifest.data, manifest.media_type)
        except DocumentError as error:
            raise RegistryMisbehaves(f"{name}: {error}") from None
        if isinstance(parsed, Manifest):
            _check_kind(parsed, name)
            return Resolved(digest=top, manifest=manifest, parsed=parsed)
        manifest = await _chosen(repository, parsed, platform, name)
    raise RegistryMisbehaves(f"{name}: indexes are nested too deeply")


async def _chosen(
    repository: Repository, index: Index, platform: Platform, name: str
) -> RemoteManifest:
    chosen = choose(index.manifests, platform)
    if chosen is None:
        offered = ", ".join(_platforms(index.manifests))
        raise NotFound(
            f"no matching manifest for {spell(platform)} in the manifest list entries"
            + (f": {offered}" if offered else f" of {name}")
        )
    manifest = await repository.manifest(chosen.digest)
    if len(manifest.data) != chosen.size:
        raise RegistryMisbehaves(
            f"{name}: manifest {chosen.digest} has {len(manifest.data)} bytes, "
            f"the index announces {chosen.size}"
        )
    kind = chosen.media_type.partition(";")[0].strip()
    if manifest.media_type and kind and manifest.media_type != kind:
        raise RegistryMisbehaves(
            f"{name}: manifest {chosen.digest} is announced as {kind[:100]!r} and served as "
            f"{manifest.media_type[:100]!r}"
        )
    return RemoteManifest(manifest.digest, manifest.media_type or kind, manifest.data)


async def fetch_config(
    repository: Repository, parsed: Manifest, *, name: str
) -> tuple[bytes, ImageDocument]:
    """The image's config, checked against its manifest.

    Raises:
        RegistryMisbehaves: it does not belong together.
        InvalidArgument: malformed, or for another system.
    """
    data = await repository.document(parsed.config, MAX_CONFIG)
    document = decode_config(data)
    expected = len(document.rootfs.diff_ids)
    if len(parsed.layers) != expected:
        raise RegistryMisbehaves(
            f"{name}: the config names {expected} layers, the manifest {len(parsed.layers)}"
        )
    return data, document


def check_sizes(parsed: Manifest, limits: Limits, *, name: str) -> None:
    """Refuse what could never be kept.

    Raises:
        RegistryMisbehaves: beyond the limits.
    """
    size = sum({layer.digest: layer.size for layer in parsed.layers}.values())
    if size > limits.size:
        raise RegistryMisbehaves(
            f"{name}: the manifest announces {size} bytes of layers, at most {limits.size} are "
            "accepted"
        )


def layer_descriptor(layer: Descriptor) -> Descriptor:
    """A layer as it is recorded: what a stranger noted on it is left out."""
    return Descriptor(
        media_type=layer.media_type or OCI_LAYER_GZIP, digest=layer.digest, size=layer.size
    )


def _check_kind(manifest: Manifest, name: str) -> None:
    kind = manifest.config.media_type
    if kind and kind not in CONFIGS and kind != "application/octet-stream":
        raise RegistryMisbehaves(
            f"{name} is no image: encountered remote {kind[:100]!r} when fetching"
        )
    for layer in manifest.layers:
        if any(word in layer.media_type for word in _FOREIGN) or layer.urls:
            # Foreign layers lie wherever the manifest says: nothing is fetched from there.
            raise RegistryMisbehaves(f"{name}: foreign layers are not supported")


def _platforms(entries: Iterable[Descriptor]) -> list[str]:
    found = (spell(one.platform) for one in entries if is_image(one) and one.platform is not None)
    return list(dict.fromkeys(found))[:20]
