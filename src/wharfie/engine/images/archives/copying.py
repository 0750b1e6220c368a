"""Copying images between engines: which layers need not travel.

The receiver tells which of an image's layers it has; the sender leaves those out of the archive;
the loader finds them by their names. An image that was removed in between makes the load fail, as
any archive that lacks a layer does.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.engine.images.archives.ingest import Stored
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease
from wharfie.model.content import ContentStore
from wharfie.model.ids import Digest
from wharfie.model.snapshot import Snapshotter


def missing_layers(
    catalog: Catalog,
    content: ContentStore,
    snapshotter: Snapshotter,
    diff_ids: Sequence[Digest],
) -> list[Digest]:
    """Those layers of an image (diff IDs, base first) that have to be sent."""
    blobs = stored_blobs(catalog, content)
    chains = catalog.chains()
    missing = []
    for diff_id, chain in zip(diff_ids, chain_ids(list(diff_ids)), strict=True):
        is_unpacked = chain in chains and snapshotter.layer(chain) is not None
        blob = blobs.get(diff_id)
        if not is_unpacked and (blob is None or not content.has(blob.blob.digest)):
            missing.append(diff_id)
    return missing


def is_known(catalog: Catalog, stored: Stored) -> bool:
    """Tell whether a blob is the layer of an image that is here."""
    return any(
        stored.blob.digest == layer.digest or stored.digest == diff_id
        for image in catalog
        for layer, diff_id in zip(image.layers, image.document.rootfs.diff_ids, strict=False)
    )


def known_layer(
    catalog: Catalog,
    content: ContentStore,
    snapshotter: Snapshotter,
    lease: Lease,
    diff_id: Digest,
) -> Stored | None:
    """A layer some image has, held by the lease; None when there is none."""
    stored = stored_blobs(catalog, content).get(diff_id)
    if stored is None:
        return None
    if content.has(stored.blob.digest):
        lease.hold_blob(stored.blob.digest)
    for layer in snapshotter.layers():
        if layer.diff_id == diff_id:
            lease.hold_chain(layer.chain_id)
    return stored


def stored_blobs(catalog: Catalog, content: ContentStore) -> dict[Digest, Stored]:
    """The blob of each layer of all images, by diff ID; one that is there, where several are."""
    found: dict[Digest, Stored] = {}
    for image in catalog:
        for diff_id, blob in zip(image.document.rootfs.diff_ids, image.layers, strict=False):
            known = found.get(diff_id)
            if known is None or not content.has(known.blob.digest):
                found[diff_id] = Stored(digest=diff_id, size=blob.size, blob=blob)
    return found
