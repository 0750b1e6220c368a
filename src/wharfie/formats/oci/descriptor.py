"""Descriptors and platforms, and the media types they carry.

Source: OCI image spec, "Content Descriptors" and "Image Index"; Docker image manifest v2,2.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.digest import Digest, DigestError, parse_sha256
from wharfie.formats.oci.document import DocumentError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_SCHEMA1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)

MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})


class Platform(Struct, frozen=True, omit_defaults=True):
    """Operating system and processor of an image."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = field(default="", name="os.version")


class Descriptor(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A typed pointer to a blob; size in bytes."""

    media_type: str = field(name="mediaType")
    digest: Digest
    size: int
    annotations: dict[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    urls: list[str] = field(default_factory=list)
    artifact_type: str = field(default="", name="artifactType")


def check_descriptor(descriptor: Descriptor, what: str) -> None:
    """Check what the type does not say.

    Raises:
        DocumentError: not a sha256 digest, or a negative size.
    """
    try:
        parse_sha256(descriptor.digest)
    except DigestError as error:
        raise DocumentError(f"invalid {what}: digest {descriptor.digest[:80]!r}: {error}") from None
    if descriptor.size < 0:
        raise DocumentError(f"invalid {what}: negative size {descriptor.size}")
