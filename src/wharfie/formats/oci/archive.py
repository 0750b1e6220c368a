"""What an image archive holds: docker-archive's `manifest.json`, and the image layout.

    docker-archive            image layout (docker save writes both at once)
    ├── manifest.json         ├── oci-layout
    ├── repositories          ├── index.json
    ├── <config>.json         └── blobs/sha256/<hex>
    └── <id>/layer.tar

Names inside are paths within the archive; they are cleaned and may not leave it.
Source: docker save's format; OCI image spec, "Image Layout".
"""

from __future__ import annotations

import posixpath

import msgspec
from msgspec import Struct, field

from wharfie.formats.oci.descriptor import Descriptor
from wharfie.formats.oci.document import DocumentError, decode
from wharfie.formats.oci.manifest import MAX_LAYERS

MANIFEST_FILE = "manifest.json"
REPOSITORIES_FILE = "repositories"
INDEX_FILE = "index.json"
LAYOUT_FILE = "oci-layout"
BLOBS = "blobs/sha256/"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

MAX_IMAGES = 1000
MAX_TAGS = 1000
MAX_PATH = 4096

IMAGE_NAME = "io.containerd.image.name"
"""Annotation of an index entry: the full reference."""
REF_NAME = "org.opencontainers.image.ref.name"
"""Annotation of an index entry: by Docker the tag, by others the reference."""


class ArchivedImage(Struct, frozen=True, rename="pascal", kw_only=True):
    """One image of a `manifest.json`: paths of its config and layers (base first), its tags."""

    config: str
    repo_tags: list[str] | None = None
    layers: list[str] = field(default_factory=list)
    parent: str | msgspec.UnsetType = msgspec.UNSET
    layer_sources: dict[str, Descriptor] | msgspec.UnsetType = msgspec.UNSET


class _Layout(Struct, frozen=True):
    image_layout_version: str = field(name="imageLayoutVersion")


def parse_archive_manifest(data: bytes) -> list[ArchivedImage]:
    """Decode a `manifest.json`; its paths come back cleaned.

    Raises:
        DocumentError: malformed, out of bounds, or naming a path outside the archive.
    """
    images = decode(data, list[ArchivedImage], what=MANIFEST_FILE)
    if len(images) > MAX_IMAGES:
        raise DocumentError(f"{MANIFEST_FILE} lists {len(images)} images, at most {MAX_IMAGES}")
    return [_checked(image) for image in images]


def encode_archive_manifest(images: list[ArchivedImage]) -> bytes:
    """Spell a `manifest.json`."""
    return msgspec.json.encode(images)


def check_layout(data: bytes) -> None:
    """Check an `oci-layout` file.

    Raises:
        DocumentError: malformed, or a version other than 1.
    """
    version = decode(data, _Layout, what=LAYOUT_FILE).image_layout_version
    if version.partition(".")[0] != "1":
        raise DocumentError(f"unsupported image layout version {version[:40]!r}")


def clean_path(path: str) -> str:
    """A member's name without `./` and doubled slashes.

    Raises:
        DocumentError: absolute, empty, leaving the archive, or absurdly long.
    """
    if len(path) > MAX_PATH or "\0" in path:
        raise DocumentError(f"invalid path in archive: {path[:80]!r}")
    clean = posixpath.normpath(path) if path else ""
    if not clean or clean in (".", "..") or clean.startswith(("/", "../")):
        raise DocumentError(f"invalid path in archive: {path[:80]!r}")
    return clean


def _checked(image: ArchivedImage) -> ArchivedImage:
    if len(image.layers) > MAX_LAYERS:
        raise DocumentError("max depth exceeded")
    if len(image.repo_tags or ()) > MAX_TAGS:
        raise DocumentError(f"{MANIFEST_FILE} gives one image more than {MAX_TAGS} tags")
    return msgspec.structs.replace(
        image,
        config=clean_path(image.config),
        layers=[clean_path(layer) for layer in image.layers],
    )
