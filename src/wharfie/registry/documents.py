"""Manifests and indexes as a registry reads them: what they refer to, nothing changed.

A registry stores the bytes it was given; it only has to know which blobs, manifests and subject
they name. Both families are read, OCI's and Docker's schema 2.
Source: OCI image spec 1.1, "Image Manifest", "Image Index"; Docker image manifest v2,2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from wharfie.formats.oci.descriptor import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
)
from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import check_digest

MEDIA_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
_FOREIGN = ("nondistributable", "foreign")
_MAX_SIZE = 2**63 - 1


class Pointer(Struct, frozen=True, omit_defaults=True):
    """A descriptor."""

    digest: str
    media_type: str = field(default="", name="mediaType")
    size: int = 0
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = field(default=None, name="artifactType")

    @property
    def is_elsewhere(self) -> bool:
        """A layer its owner does not want copied: it need not be here."""
        return bool(self.urls) or any(word in self.media_type for word in _FOREIGN)


class _Document(Struct, frozen=True):
    """The members that matter of either kind."""

    schema_version: int = field(default=0, name="schemaVersion")
    media_type: str | None = field(default=None, name="mediaType")
    artifact_type: str | None = field(default=None, name="artifactType")
    config: Pointer | None = None
    layers: list[Pointer] | None = None
    manifests: list[Pointer] | None = None
    subject: Pointer | None = None
    annotations: dict[str, str] | None = None
    fs_layers: object = field(default=None, name="fsLayers")


class Document(Struct, frozen=True, kw_only=True):
    """A manifest or index, read.

    Attributes:
        media_type: as the document or, where it is silent, the client says.
        is_named: the document itself says it.
        artifact_type: of a manifest without one, its config's media type.
        blobs: config and layers that must be here.
        manifests: of an index.
        subject: digest this refers to, "" for none.
    """

    media_type: str
    is_named: bool
    artifact_type: str = ""
    blobs: Sequence[Pointer] = ()
    manifests: Sequence[Pointer] = ()
    subject: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def digests(self) -> Iterable[str]:
        """Everything it cannot do without."""
        yield from (one.digest for one in self.blobs)
        yield from (one.digest for one in self.manifests)


def read_document(data: bytes, media_type: str, limit: int = 10_000) -> Document:
    """Read a manifest or index.

    Args:
        data: its bytes.
        media_type: what it was announced as, "" for nothing.
        limit: descriptors it may hold.

    Raises:
        Refused: MANIFEST_INVALID or DIGEST_INVALID.
    """
    try:
        read = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(str(error)) from None
    kind = _kind_of(read, media_type)
    pointers = [*([read.config] if read.config else ()), *(read.layers or ())]
    children = read.manifests or []
    if len(pointers) + len(children) > limit:
        raise _invalid(f"more than {limit} descriptors")
    for pointer in (*pointers, *children, *([read.subject] if read.subject else ())):
        check_digest(pointer.digest)
        if not 0 <= pointer.size <= _MAX_SIZE:
            raise _invalid(f"bad size {pointer.size}")
    if kind in MANIFESTS and read.config is None:
        raise _invalid("a manifest without config")
    config_type = read.config.media_type if read.config else ""
    return Document(
        media_type=kind,
        is_named=bool(read.media_type),
        artifact_type=read.artifact_type or config_type,
        blobs=[one for one in pointers if not one.is_elsewhere],
        manifests=children,
        subject=read.subject.digest if read.subject else "",
        annotations=read.annotations or {},
    )


def _kind_of(read: _Document, announced: str) -> str:
    own = read.media_type or ""
    if own and announced and own != announced:
        raise _invalid(f"mediaType is {own[:100]!r}, Content-Type {announced[:100]!r}")
    kind = own or announced
    if kind in DOCKER_SCHEMA1 or read.fs_layers is not None or read.schema_version == 1:
        raise _invalid("schema 1 is not supported: push the image again with a current client")
    if read.schema_version != 2:
        raise _invalid("schemaVersion must be 2")
    # A document with both can be read as two different images: CVE-2021-41190.
    if read.manifests is not None and (read.config is not None or read.layers is not None):
        raise _invalid("both a manifest and an index")
    if not kind:
        kind = OCI_INDEX if read.manifests is not None else OCI_MANIFEST
    if kind not in MEDIA_TYPES:
        raise _invalid(f"media type {kind[:100]!r} is not supported")
    if (kind in INDEXES) != (read.manifests is not None):
        raise _invalid(f"not a document of type {kind}")
    return kind


def _invalid(why: str) -> Refused:
    return Refused(Code.MANIFEST_INVALID, f"manifest invalid: {why}")
