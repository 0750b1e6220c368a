"""All images in memory, and what a user's word for one means.

A reference beats an ID prefix, a full ID beats everything. Source: behaviours 10, 29; moby
daemon/images, GetImage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import structs

from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import InvalidPlatform, parse_platform, rank, spell
from wharfie.formats.reference import InvalidReference, Reference, parse_reference
from wharfie.model.errors import AmbiguousReference, InvalidArgument, NoSuchImage, NotFound
from wharfie.model.ids import ChainId, Digest, ImageId
from wharfie.model.image import Image

_ALGORITHM = "sha256:"
_FULL = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


class Catalog:
    """The images of one engine; every change replaces whole records."""

    def __init__(self, host: Platform) -> None:
        self.host = host
        self._images: dict[ImageId, Image] = {}
        self._names: dict[str, ImageId] = {}

    def __iter__(self) -> Iterator[Image]:
        return iter(list(self._images.values()))

    def __len__(self) -> int:
        return len(self._images)

    def by_id(self, image_id: ImageId) -> Image | None:
        """The image with this full ID."""
        return self._images.get(image_id)

    def holder(self, canonical: str) -> Image | None:
        """The image that holds a canonical reference."""
        image_id = self._names.get(canonical)
        return None if image_id is None else self._images[image_id]

    def put(self, image: Image) -> None:
        """Insert or replace; its references are taken from other images."""
        for name in (*image.tags, *image.digests):
            holder = self.holder(name)
            if holder is not None and holder.id != image.id:
                self._images[holder.id] = without_names(holder, {name})
        previous = self._images.get(image.id)
        if previous is not None:
            for name in (*previous.tags, *previous.digests):
                self._names.pop(name, None)
        self._images[image.id] = image
        for name in (*image.tags, *image.digests):
            self._names[name] = image.id

    def drop(self, image_id: ImageId) -> None:
        """Forget an image and its references."""
        image = self._images.pop(image_id, None)
        if image is not None:
            for name in (*image.tags, *image.digests):
                self._names.pop(name, None)

    def children(self, image_id: ImageId) -> list[Image]:
        """Images whose parent this is."""
        return [image for image in self._images.values() if image.document.parent == image_id]

    def get(self, ref: str, *, platform: str = "") -> Image:
        """See `Images.get`."""
        image = self._find(ref)
        if platform:
            self._check_platform(ref, image, platform)
        return image

    def blobs(self) -> set[Digest]:
        """Digests of all blobs that images are made of."""
        found: set[Digest] = set()
        for image in self._images.values():
            found.add(Digest(image.id))
            found.update(layer.digest for layer in image.layers)
            if image.manifest is not None:
                found.add(image.manifest.digest)
        return found

    def chains(self) -> set[ChainId]:
        """Chain IDs of all layers that images are made of."""
        return {chain for image in self._images.values() for chain in image.chain_ids}

    def _find(self, ref: str) -> Image:
        if full := _FULL.fullmatch(ref):
            image = self._images.get(ImageId(_ALGORITHM + full[1]))
            if image is None:
                raise NoSuchImage(_ALGORITHM + full[1])
            return image
        reference = parse(ref).tagged()
        for name in names_of(reference):
            if name in self._names:
                return self._images[self._names[name]]
        matches = self._by_prefix(ref)
        if len(matches) > 1:
            raise AmbiguousReference(ref)
        if not matches:
            raise NoSuchImage(reference.familiar())
        return matches[0]

    def _by_prefix(self, ref: str) -> Sequence[Image]:
        prefix = _PREFIX.fullmatch(ref)
        if prefix is None:
            return []
        start = _ALGORITHM + prefix[1]
        return [image for image_id, image in self._images.items() if image_id.startswith(start)]

    def _check_platform(self, ref: str, image: Image, platform: str) -> None:
        try:
            wanted = parse_platform(platform, self.host)
        except InvalidPlatform as error:
            raise InvalidArgument(str(error)) from None
        check_platform(ref, image, [wanted])


def check_platform(ref: str, image: Image, wanted: Sequence[Platform]) -> None:
    """Refuse an image that is for none of the platforms wanted; no wish takes any.

    Raises:
        NotFound: it is for another one.
    """
    have = platform_of(image)
    if wanted and all(rank(have, one) is None for one in wanted):
        raise NotFound(
            f"image with reference {ref} was found but its platform ({spell(have)}) does not "
            f"match the specified platform ({', '.join(spell(one) for one in wanted)})"
        )


def parse(text: str) -> Reference:
    """A reference; InvalidArgument in Docker's words when it is none."""
    try:
        return parse_reference(text)
    except InvalidReference as error:
        raise InvalidArgument(str(error)) from None


def is_id_of(ref: str, image_id: ImageId) -> bool:
    """Tell whether `ref` is (a prefix of) this ID rather than a name."""
    return image_id.startswith(ref) or image_id.removeprefix(_ALGORITHM).startswith(ref)


def names_of(reference: Reference) -> list[str]:
    """Stored names a reference may mean: with a digest, its tag does not count."""
    if reference.digest:
        return [f"{reference.name}@{reference.digest}"]
    return [str(reference)]


def platform_of(image: Image) -> Platform:
    """An image's platform, as its config says."""
    document = image.document
    return Platform(
        architecture=document.architecture, os=document.os or "linux", variant=document.variant
    )


def without_names(image: Image, names: set[str]) -> Image:
    """The image after losing references."""
    return structs.replace(
        image,
        tags=[tag for tag in image.tags if tag not in names],
        digests=[digest for digest in image.digests if digest not in names],
    )
