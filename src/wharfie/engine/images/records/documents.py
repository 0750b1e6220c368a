"""Image configs, decoded and checked. Source: OCI image spec "config"; behaviours 138."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import structs

from wharfie.formats.digest import DigestError, parse_sha256
from wharfie.formats.oci.document import DocumentError, decode
from wharfie.formats.oci.manifest import MAX_LAYERS
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import ChainId, Digest
from wharfie.model.image import ImageDocument

MAX_CONFIG = 8 << 20


def decode_config(data: bytes) -> ImageDocument:
    """Decode an image config.

    Raises:
        InvalidArgument: malformed, without a usable root file system, or for another system.
    """
    try:
        document = decode(data, ImageDocument, what="image config", limit=MAX_CONFIG)
        for diff_id in document.rootfs.diff_ids:
            parse_sha256(diff_id)
    except DocumentError as error:
        raise InvalidArgument(str(error)) from None
    except DigestError as error:
        raise InvalidArgument(f"invalid image config: {error}") from None
    if document.rootfs.type != "layers":
        raise InvalidArgument(f"unsupported root file system {document.rootfs.type[:40]!r}")
    if len(document.rootfs.diff_ids) > MAX_LAYERS:
        raise InvalidArgument("max depth exceeded")
    if document.os not in ("", "linux"):
        raise InvalidArgument(
            f"cannot load {document.os[:40]} image on linux: operating system is not supported"
        )
    return document if document.os else structs.replace(document, os="linux")


def chain_ids(diff_ids: Sequence[Digest]) -> list[ChainId]:
    """Names of the stacks of layers, base first. Source: OCI image spec, "Layer ChainID"."""
    chains: list[ChainId] = []
    for diff_id in diff_ids:
        if chains:
            both = f"{chains[-1]} {diff_id}".encode()
            chains.append(ChainId("sha256:" + hashlib.sha256(both).hexdigest()))
        else:
            chains.append(ChainId(diff_id))
    return chains
