"""The verb: one tag, one digest, or all tags of a repository.

Source: Engine API, ImageCreate; behaviours 128-132; moby distribution, pull.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from wharfie.engine.events import EventBus
from wharfie.engine.images.distribution.pulling.image import ImagePull, PullPorts
from wharfie.engine.images.progress import Board, Progress, streamed
from wharfie.engine.images.records.catalog import parse
from wharfie.engine.images.records.selection import labels_of
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import InvalidPlatform, parse_platform
from wharfie.formats.reference import DEFAULT_DOMAIN, Reference, parse_reference
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.image import Image
from wharfie.model.registry import ANONYMOUS, Credentials, Registries, RegistryUnreachable

_EMBEDDED = "busybox:latest"


class PullRequest(Struct, frozen=True, kw_only=True):
    """What to pull.

    Attributes:
        ref: as the user spelled it; without tag and digest it means all tags.
        platform: "os[/arch[/variant]]", "" for this host's.
        credentials: for the registry.
        whole: fetch blobs too that only save and push need, of an image that is here.
    """

    ref: str
    platform: str = ""
    credentials: Credentials = ANONYMOUS
    whole: bool = False


class Puller:
    """Pulls images; `install_default` makes the embedded one, for when no registry is in reach."""

    def __init__(
        self,
        ports: PullPorts,
        registries: Registries,
        events: EventBus,
        *,
        install_default: Callable[[], Awaitable[Image]],
    ) -> None:
        self._ports = ports
        self._registries = registries
        self._events = events
        self._install_default = install_default

    def pull(self, request: PullRequest) -> AsyncIterator[Progress]:
        """Pull; yields Docker's messages, refusals of the words are raised at the call.

        Raises:
            InvalidArgument: not a reference, or not a platform.
            EngineError: while it is read: the registry refuses, or is not in reach.
        """
        reference = parse(request.ref)
        platform = self._platform(request.platform)

        async def work(board: Board) -> None:
            try:
                repository = self._registries.repository(reference, request.credentials)
            except RegistryUnreachable as error:
                await self._out_of_reach(reference, board, error)
                return
            one = ImagePull(self._ports, repository, board, platform=platform, whole=request.whole)
            if reference.tag or reference.digest:
                await self._one(one, reference, board)
                return
            tags = await repository.tags()
            if not tags:
                raise NotFound(f"repository {reference.familiar_name} has no tags")
            for tag in tags:
                tagged = Reference(domain=reference.domain, path=reference.path, tag=tag)
                await self._one(one, tagged, board)

        return streamed(work)

    async def _one(self, one: ImagePull, reference: Reference, board: Board) -> None:
        try:
            resolved = await one.resolve(reference)
        except RegistryUnreachable as error:
            await self._out_of_reach(reference, board, error)
            return
        name = reference.path if reference.domain == DEFAULT_DOMAIN else reference.name
        board.post({"status": f"Pulling from {name}", "id": reference.digest or reference.tag})
        image, is_new = await one.fetch(reference, resolved)
        board.post({"status": f"Digest: {resolved.digest}"})
        what = "Downloaded newer image for" if is_new else "Image is up to date for"
        board.post({"status": f"Status: {what} {reference.familiar()}"})
        attributes = {**labels_of(image), "name": reference.familiar_name}
        self._events.publish("image", "pull", reference.familiar(), attributes)

    async def _out_of_reach(
        self, reference: Reference, board: Board, error: RegistryUnreachable
    ) -> None:
        """Fail, unless it is the busybox that this engine has of its own."""
        if reference != parse_reference(_EMBEDDED):
            raise error
        catalog = self._ports.catalog
        present = catalog.holder(str(parse_reference(_EMBEDDED)))
        if present is not None and present.digests:
            raise error  # a pulled one: only its registry knows whether it is up to date
        board.post({"status": "Pulling from library/busybox", "id": "latest"})
        board.post(
            {
                "status": f"No registry in reach ({error}): taking the busybox embedded in this "
                "engine, made of this host's static busybox"
            }
        )
        if present is not None:
            board.post({"status": "Status: Image is up to date for busybox:latest"})
            return
        image = await self._install_default()
        board.post({"status": f"Status: Loaded embedded image {image.id} for busybox:latest"})

    def _platform(self, text: str) -> Platform | None:
        try:
            return parse_platform(text, self._ports.catalog.host) if text else None
        except InvalidPlatform as error:
            raise InvalidArgument(str(error)) from None
