"""Lists of containers, each item encoded once per commit.

Records are replaced by every commit, so an item may be kept as bytes until its record, the
image's name, or the "Up 5 minutes" changes; then a list is little more than a join.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from wharfie.engine.images import Images
from wharfie.model.container import Container
from wharfie.model.errors import EngineError
from wharfie.wire.containers import ContainerSummary, spell_status

_SLACK = 256


class _Item(Struct, frozen=True):
    record: Container
    image: str
    until: float
    encoded: msgspec.Raw


class ContainerListing:
    """Encodes lists of containers.

    Args:
        images: tells whether a reference still names a container's image.
        clock: seconds since the epoch.
    """

    def __init__(self, images: Images, *, clock: Callable[[], float] = time.time) -> None:
        self._images = images
        self._clock = clock
        self._items: dict[str, _Item] = {}
        self._encoder = msgspec.json.Encoder()

    def encode(self, containers: Sequence[Container]) -> list[msgspec.Raw]:
        """Items of a list, without sizes, in order."""
        now = self._clock()
        names: dict[str, str] = {}
        encoded: list[msgspec.Raw] = []
        items = self._items
        for record in containers:
            image = names.get(record.image_ref)
            if image is None:
                image = names[record.image_ref] = self._present_id(record.image_ref)
            item = items.get(record.id)
            if (
                item is None
                or item.record is not record
                or item.image != image
                or now >= item.until
            ):
                item = items[record.id] = self._encode(record, image, now)
            encoded.append(item.encoded)
        if len(items) > 2 * len(containers) + _SLACK:
            self._items = {record.id: items[record.id] for record in containers}
        return encoded

    def summarise(self, container: Container, size: tuple[int, int] | None) -> ContainerSummary:
        """One item as a value, with sizes."""
        status, _ = spell_status(container.state, self._clock())
        image = _shown(container, self._present_id(container.image_ref))
        return ContainerSummary.of(container, image=image, status=status, size=size)

    def _encode(self, record: Container, image: str, now: float) -> _Item:
        status, until = spell_status(record.state, now)
        summary = ContainerSummary.of(record, image=_shown(record, image), status=status)
        return _Item(record, image, until, msgspec.Raw(self._encoder.encode(summary)))

    def _present_id(self, ref: str) -> str:
        """ID of the image a reference names now, "" when it names none."""
        try:
            return self._images.get(ref).id
        except EngineError:
            return ""


def _shown(container: Container, present_id: str) -> str:
    """The reference used at create, or the image's ID once the reference moved on."""
    moved = present_id != container.image and bool(container.image)
    return container.image if moved else container.image_ref
