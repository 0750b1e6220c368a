"""Verbs on images. Source: behaviours 10–14, 123–146."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from msgspec import Struct, field

from wharfie.model.filters import ImageFilters, PruneFilters
from wharfie.model.ids import ImageId
from wharfie.model.image import Image

Progress = dict[str, object]
"""One message of a progress stream, as Docker's JSON ("status", "id", "progressDetail", …)."""


class Deletion(Struct, frozen=True, omit_defaults=True):
    """One effect of removing an image: exactly one field is set."""

    untagged: str = field(default="", name="Untagged")
    deleted: str = field(default="", name="Deleted")


class ImageUse(Struct, frozen=True):
    """Who uses an image: container ID and whether it runs."""

    container_id: str
    running: bool


class Images:
    """Verbs on images. `ref` is a reference, a digest reference, an ID or an ID prefix."""

    async def open(self, uses: Callable[[], Mapping[ImageId, Sequence[ImageUse]]]) -> None:
        """At start: load records; `uses` tells which images containers hold."""
        raise NotImplementedError

    def get(self, ref: str, *, platform: str = "") -> Image:
        """The image `ref` names.

        Raises:
            NoSuchImage: nothing matches (message with the tag: "x:latest").
            AmbiguousReference: an ID prefix matches several.
        """
        raise NotImplementedError

    def select(self, filters: ImageFilters, *, all_: bool = False) -> Sequence[Image]:
        """Images newest first."""
        raise NotImplementedError

    def children(self, image: Image) -> Sequence[Image]:
        """Images built on top of `image` (by parent)."""
        raise NotImplementedError

    def load(self, source: AsyncIterator[bytes], *, quiet: bool) -> AsyncIterator[Progress]:
        """Load a docker-archive or OCI layout tar (plain, gzip, zstd); yields Docker's messages.

        Each image appears whole or not at all. Bad archives raise InvalidArgument.
        """
        raise NotImplementedError

    def save(self, refs: Sequence[str]) -> AsyncIterator[bytes]:
        """A tar that is both docker-archive and OCI layout; refusals are raised at the call."""
        raise NotImplementedError

    def import_(
        self,
        source: AsyncIterator[bytes],
        *,
        repository: str,
        tag: str,
        message: str,
        changes: Sequence[str],
        platform: str,
    ) -> AsyncIterator[Progress]:
        """Make a one-layer image of a root file system tar."""
        raise NotImplementedError

    async def tag(self, ref: str, *, repository: str, tag: str) -> None:
        """Give an image a further reference; taken silently from another image."""
        raise NotImplementedError

    async def remove(self, ref: str, *, force: bool = False, prune: bool = True) -> list[Deletion]:
        """Untag, and delete what nothing refers to any more; Docker's conflicts."""
        raise NotImplementedError

    async def prune(self, filters: PruneFilters) -> tuple[list[Deletion], int]:
        """Delete unused images (dangling ones unless `dangling` is False); bytes reclaimed."""
        raise NotImplementedError
