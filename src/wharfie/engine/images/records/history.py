"""An image's history, newest step first. Source: Engine API 1.51, HistoryResponseItem."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from wharfie.engine.images.records.selection import nanoseconds_of
from wharfie.formats.reference import familiar
from wharfie.model.ids import ChainId
from wharfie.model.image import Image

MISSING = "<missing>"


class HistoryItem(Struct, frozen=True, rename="pascal", kw_only=True):
    """One step; `created` in seconds since the epoch, `size` in bytes."""

    id: str = MISSING
    created: int = 0
    created_by: str = ""
    tags: list[str] | None = field(default=None)
    size: int = 0
    comment: str = ""


def history_of(image: Image, layer_size: Callable[[ChainId], int]) -> list[HistoryItem]:
    """Steps of an image, newest first.

    Args:
        image: which.
        layer_size: bytes of an unpacked layer, 0 for one that is gone.
    """
    items: list[HistoryItem] = []
    layers = iter(image.chain_ids)
    for step in image.document.history:
        chain = None if step.empty_layer else next(layers, None)
        items.append(
            HistoryItem(
                created=nanoseconds_of(step.created) // 1_000_000_000,
                created_by=step.created_by,
                size=0 if chain is None else layer_size(chain),
                comment=step.comment,
            )
        )
    # Layers the history does not tell of are shown all the same.
    items += [HistoryItem(size=layer_size(chain)) for chain in layers]
    items.reverse()
    newest = items[0] if items else HistoryItem()
    first = HistoryItem(
        id=image.id,
        created=newest.created,
        created_by=newest.created_by,
        tags=[familiar(tag) for tag in image.tags] or None,
        size=newest.size,
        comment=newest.comment,
    )
    return [first, *items[1:]]
