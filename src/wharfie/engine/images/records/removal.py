"""What removing an image means: pure decisions, carried out by the service.

Removing a name untags; the image goes with its last name, unless containers or children need it.
Removing by ID takes the single name along. Source: behaviours 126, 127; moby daemon/images,
ImageDelete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from wharfie.engine.images.records.catalog import Catalog, is_id_of, names_of, parse
from wharfie.formats.reference import familiar
from wharfie.model.errors import Conflict
from wharfie.model.ids import ImageId, short
from wharfie.model.image import Image


class ImageUse(Struct, frozen=True):
    """Who uses an image: container ID and whether it runs."""

    container_id: str
    running: bool


Uses = Mapping[ImageId, Sequence[ImageUse]]


@dataclass(slots=True)
class RemovalPlan:
    """What to do, in this order.

    Attributes:
        untag: canonical references to take away, and whose they are.
        delete: images to delete, each before its parent.
    """

    untag: list[tuple[ImageId, str]] = field(default_factory=list)
    delete: list[ImageId] = field(default_factory=list)


def plan_removal(
    catalog: Catalog, uses: Uses, ref: str, *, force: bool, prune: bool
) -> RemovalPlan:
    """Decide what removing `ref` does.

    Args:
        catalog: all images.
        uses: containers by image.
        ref: what the user typed.
        force: overrules soft conflicts: stopped containers, several names.
        prune: take along parents nobody else needs.

    Raises:
        NoSuchImage: nothing matches.
        Conflict: something needs the image.
    """
    return _Removal(catalog, uses).run(catalog.get(ref), ref, force=force, prune=prune)


class _Refusal(Conflict):
    """Why an image cannot be deleted; `used` when a container is the reason."""

    def __init__(self, image_id: ImageId, reason: str, *, hard: bool, used: bool = False) -> None:
        how = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {short(image_id)} ({how}) - {reason}")
        self.used = used


class _Removal:
    """One decision in the making; names and images already given up are remembered."""

    def __init__(self, catalog: Catalog, uses: Uses) -> None:
        self._catalog = catalog
        self._uses = uses
        self._plan = RemovalPlan()
        self._gone: set[str] = set()

    def run(self, image: Image, ref: str, *, force: bool, prune: bool) -> RemovalPlan:
        if is_id_of(ref, image.id):
            self._take_single_name(image, force=force)
            self._delete(image, force=force, prune=prune, quiet=False)
        elif self._untag_name(image, ref, force=force):
            self._delete(image, force=force, prune=prune, quiet=True)
        return self._plan

    def _untag_name(self, image: Image, ref: str, *, force: bool) -> bool:
        """Take one name away; tell whether it was the last."""
        users = self._uses.get(image.id, ())
        if users and not force and _is_single(image):
            # The image would be left without a name, which only force may do.
            raise Conflict(
                f'conflict: unable to remove repository reference "{ref}" (must force) - container '
                f"{short(users[0].container_id)} is using its referenced image {short(image.id)}"
            )
        reference = parse(ref).tagged()
        self._untag(image, names_of(reference)[0])
        if not reference.digest:
            self._untag_orphaned_digests(image, reference.name)
        return not self._names(image)

    def _untag_orphaned_digests(self, image: Image, repository: str) -> None:
        """Digest references go with the last tag of their repository."""
        if any(_repository(tag) == repository for tag in self._tags(image)):
            return
        for name in self._names(image):
            if _repository(name) == repository:
                self._untag(image, name)

    def _take_single_name(self, image: Image, *, force: bool) -> None:
        if _is_single(image):
            self._check(image, soft_containers=not force, soft_names=False)
            for name in self._names(image):
                self._untag(image, name)

    def _delete(self, image: Image, *, force: bool, prune: bool, quiet: bool) -> None:
        try:
            self._check(image, soft_containers=not force, soft_names=not force)
        except _Refusal as refusal:
            if quiet and (self._names(image) or self._has_children(image) or refusal.used):
                return
            raise
        for name in self._names(image):
            self._untag(image, name)
        self._plan.delete.append(image.id)
        parent = self._catalog.by_id(ImageId(image.document.parent))
        if prune and parent is not None and parent.id not in self._plan.delete:
            self._delete(parent, force=False, prune=True, quiet=True)

    def _check(self, image: Image, *, soft_containers: bool, soft_names: bool) -> None:
        if self._has_children(image):
            raise _Refusal(image.id, "image has dependent child images", hard=True)
        users = self._uses.get(image.id, ())
        for use in users:
            if use.running:
                reason = f"image is being used by running container {short(use.container_id)}"
                raise _Refusal(image.id, reason, hard=True, used=True)
        if soft_names and self._names(image):
            raise _Refusal(image.id, "image is referenced in multiple repositories", hard=False)
        if soft_containers and users:
            reason = f"image is being used by stopped container {short(users[0].container_id)}"
            raise _Refusal(image.id, reason, hard=False, used=True)

    def _has_children(self, image: Image) -> bool:
        return any(child.id not in self._plan.delete for child in self._catalog.children(image.id))

    def _untag(self, image: Image, name: str) -> None:
        self._gone.add(name)
        self._plan.untag.append((image.id, name))

    def _tags(self, image: Image) -> list[str]:
        return [tag for tag in image.tags if tag not in self._gone]

    def _names(self, image: Image) -> list[str]:
        return [name for name in (*image.tags, *image.digests) if name not in self._gone]


def _is_single(image: Image) -> bool:
    """Tell whether all names are one tag and digests of the same repository."""
    names = [*image.tags, *image.digests]
    if len(names) <= 1:
        return True
    if len(image.tags) > 1:
        return False
    repositories = {_repository(digest) for digest in image.digests}
    return repositories == {_repository(names[0])}


def _repository(name: str) -> str:
    return parse(name).name


def spell_untagged(name: str) -> str:
    """A lost reference as users see it."""
    return familiar(name)
