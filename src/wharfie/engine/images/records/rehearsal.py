"""A prune that is only told: the same decisions, on a copy of the records."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from wharfie.engine.images.records.catalog import Catalog, without_names
from wharfie.engine.images.records.removal import RemovalPlan, Uses, plan_removal, spell_untagged
from wharfie.engine.images.records.selection import is_prunable
from wharfie.model.errors import Conflict
from wharfie.model.filters import PruneFilters
from wharfie.model.ids import ChainId
from wharfie.model.image import Image


class Step(Struct, frozen=True):
    """What one removal would do.

    Attributes:
        plan: names taken away, and images deleted.
        chains: layers that nobody would need any more, each before the one it stands on.
    """

    plan: RemovalPlan
    chains: list[ChainId]


def rehearse(catalog: Catalog, uses: Uses, filters: PruneFilters) -> list[Step]:
    """Tell what a prune would remove now, in its order."""
    copy = Catalog(catalog.host)
    for image in catalog:
        copy.put(image)
    steps: list[Step] = []
    for image in catalog:
        if image.id in uses or not is_prunable(copy, image, filters):
            continue
        for ref in names_to_remove(image):
            if copy.by_id(image.id) is None:
                break
            try:
                plan = plan_removal(copy, uses, ref, force=False, prune=True)
            except Conflict:
                continue
            steps.append(Step(plan, _apply(copy, plan)))
    return steps


def names_to_remove(image: Image) -> list[str]:
    """By name, so that an image with several names loses them one by one."""
    return [spell_untagged(name) for name in (*image.tags, *image.digests)] or [image.id]


def freed_by(steps: list[Step], size: Callable[[ChainId], int]) -> int:
    """Bytes that would be free."""
    return sum(size(chain) for step in steps for chain in step.chains)


def _apply(copy: Catalog, plan: RemovalPlan) -> list[ChainId]:
    for image_id, name in plan.untag:
        image = copy.by_id(image_id)
        if image is not None:
            copy.put(without_names(image, {name}))
    freed: list[ChainId] = []
    for image_id in plan.delete:
        image = copy.by_id(image_id)
        copy.drop(image_id)
        if image is not None:
            needed = copy.chains()
            freed += [chain for chain in reversed(image.chain_ids) if chain not in needed]
    return freed
