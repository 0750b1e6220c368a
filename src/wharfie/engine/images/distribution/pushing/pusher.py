"""The verb: one tag, or all tags of a repository. Source: Engine API, ImagePush; behaviours 133."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import Struct

from wharfie.engine.events import EventBus
from wharfie.engine.images.distribution.pushing.image import ImagePush, PushPorts
from wharfie.engine.images.progress import Board, Progress, streamed
from wharfie.engine.images.records.catalog import parse, platform_of
from wharfie.engine.images.records.selection import labels_of
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import rank, spell
from wharfie.formats.reference import Reference
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.image import Image
from wharfie.model.registry import ANONYMOUS, Credentials, Registries


class PushRequest(Struct, frozen=True, kw_only=True):
    """What to push.

    Attributes:
        name: repository, perhaps with a tag.
        tag: "" (and none in the name) for all tags.
        platform: the image must be for it; None for any.
        credentials: for the registry.
    """

    name: str
    tag: str = ""
    platform: Platform | None = None
    credentials: Credentials = ANONYMOUS


class Pusher:
    """Pushes images."""

    def __init__(self, ports: PushPorts, registries: Registries, events: EventBus) -> None:
        self._ports = ports
        self._registries = registries
        self._events = events

    def push(self, request: PushRequest) -> AsyncIterator[Progress]:
        """See `Images.push`."""
        reference = parse(f"{request.name}:{request.tag}" if request.tag else request.name)
        if reference.digest:
            raise InvalidArgument("cannot push a digest reference")
        chosen = self._choose(reference)
        for image, _ in chosen:
            _check_platform(image, request.platform, reference)

        async def work(board: Board) -> None:
            repository = self._registries.repository(reference, request.credentials, push=True)
            one = ImagePush(self._ports, repository, board)
            board.post({"status": f"The push refers to repository [{reference.name}]"})
            for image, tagged in chosen:
                digest, size = await one.push(image, tagged)
                board.post({"status": f"{tagged.tag}: digest: {digest} size: {size}"})
                aux = {"Tag": tagged.tag, "Digest": digest, "Size": size}
                board.post({"progressDetail": {}, "aux": aux})
                attributes = {**labels_of(image), "name": reference.familiar_name}
                self._events.publish("image", "push", tagged.familiar(), attributes)

        return streamed(work)

    def _choose(self, reference: Reference) -> list[tuple[Image, Reference]]:
        if reference.tag:
            image = self._ports.catalog.holder(str(reference))
            if image is None:
                raise NotFound(
                    f"An image does not exist locally with the tag: {reference.familiar_name}"
                )
            return [(image, reference)]
        tags = {
            tagged.tag: image
            for image in self._ports.catalog
            for tagged in map(parse, image.tags)
            if tagged.name == reference.name
        }
        if not tags:
            raise NotFound(
                f"An image does not exist locally with the tag: {reference.familiar_name}"
            )
        return [
            (image, Reference(domain=reference.domain, path=reference.path, tag=tag))
            for tag, image in sorted(tags.items(), key=lambda item: item[0])
        ]


def _check_platform(image: Image, wanted: Platform | None, reference: Reference) -> None:
    if wanted is not None and rank(platform_of(image), wanted) is None:
        raise NotFound(
            f"image with reference {reference.familiar()} was found but its platform "
            f"({spell(platform_of(image))}) does not match the specified platform "
            f"({spell(wanted)})"
        )
