"""Manifests and indexes: what an image is made of, and which image serves which platform.

Source: OCI image spec, "Image Manifest" and "Image Index"; Docker image manifest v2,2.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from wharfie.formats.oci.descriptor import (
    DOCKER_SCHEMA1,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    check_descriptor,
)
from wharfie.formats.oci.document import DocumentError, decode

MAX_LAYERS = 500
"""The kernel's OVL_MAX_STACK: more cannot be mounted."""
MAX_INDEX = 1000

REFERENCE_TYPE = "vnd.docker.reference.type"
"""Annotation of index entries that are not images, e.g. build attestations."""


class Manifest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One image for one platform; layers base first."""

    schema_version: int = field(default=2, name="schemaVersion")
    media_type: str = field(default="", name="mediaType")
    artifact_type: str = field(default="", name="artifactType")
    config: Descriptor
    layers: list[Descriptor] = field(default_factory=list)
    subject: Descriptor | None = None
    annotations: dict[str, str] = field(default_factory=dict)


class Index(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Manifests of several platforms, or of an image layout."""

    schema_version: int = field(default=2, name="schemaVersion")
    media_type: str = field(default="", name="mediaType")
    artifact_type: str = field(default="", name="artifactType")
    manifests: list[Descriptor] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)


class _Probe(Struct, frozen=True):
    """The members that tell the kinds of documents apart."""

    media_type: str = field(default="", name="mediaType")
    config: object = None
    manifests: object = None
    fs_layers: object = field(default=None, name="fsLayers")


def parse_manifest(data: bytes, media_type: str = "") -> Manifest | Index:
    """Decode a manifest or an index.

    Args:
        data: the document.
        media_type: what the descriptor or the registry called it, "" when unknown. The
            document's own media type must agree with it.

    Raises:
        DocumentError: malformed, of an unsupported kind, or claiming two kinds at once.
    """
    probe = decode(data, _Probe, what="manifest")
    kind = probe.media_type or media_type
    if media_type and probe.media_type and media_type != probe.media_type:
        raise DocumentError(
            f"manifest says it is {probe.media_type[:100]!r} but was announced as "
            f"{media_type[:100]!r}"
        )
    if kind in DOCKER_SCHEMA1 or probe.fs_layers is not None:
        raise DocumentError(
            "Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not "
            "supported: ask the author to push the image again with a current tool"
        )
    # A document with both members can be read as two different images: CVE-2021-41190.
    if probe.config is not None and probe.manifests is not None:
        raise DocumentError("ambiguous manifest: both 'config' and 'manifests' are present")
    if kind in INDEXES or (not kind and probe.manifests is not None):
        return parse_index(data)
    if kind in MANIFESTS or (not kind and probe.config is not None):
        return _checked(decode(data, Manifest, what="manifest"))
    raise DocumentError(f"unsupported manifest media type {kind[:100]!r}")


def parse_index(data: bytes) -> Index:
    """Decode an index, such as the `index.json` of an image layout.

    Raises:
        DocumentError: malformed or too long.
    """
    index = decode(data, Index, what="index")
    if len(index.manifests) > MAX_INDEX:
        raise DocumentError(f"index lists {len(index.manifests)} manifests, at most {MAX_INDEX}")
    for descriptor in index.manifests:
        check_descriptor(descriptor, "index")
    return index


def is_image(descriptor: Descriptor) -> bool:
    """Tell whether an index entry may be an image: attestations are not."""
    platform = descriptor.platform
    unknown = platform is not None and platform.os == "unknown"
    return not unknown and REFERENCE_TYPE not in descriptor.annotations


def encode_manifest(manifest: Manifest) -> bytes:
    """Spell a manifest; the same value gives the same bytes."""
    return _encode(
        msgspec.structs.replace(manifest, media_type=manifest.media_type or OCI_MANIFEST)
    )


def encode_index(index: Index) -> bytes:
    """Spell an index; the same value gives the same bytes."""
    return _encode(msgspec.structs.replace(index, media_type=index.media_type or OCI_INDEX))


def _encode(document: Manifest | Index) -> bytes:
    # omit_defaults leaves out schemaVersion, which readers require.
    members = msgspec.to_builtins(document)
    return msgspec.json.encode({"schemaVersion": document.schema_version, **members})


def _checked(manifest: Manifest) -> Manifest:
    check_descriptor(manifest.config, "manifest config")
    if len(manifest.layers) > MAX_LAYERS:
        raise DocumentError("max depth exceeded")
    for layer in manifest.layers:
        check_descriptor(layer, "manifest layer")
    return manifest
