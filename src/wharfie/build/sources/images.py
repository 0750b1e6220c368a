"""Images as sources: those that are here, and pulled ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from wharfie.build.cache.inline import Imported, decode
from wharfie.build.solver.keys import image_key
from wharfie.build.solver.results import LayeredResult
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.pulling import PullRequest
from wharfie.engine.images.records.leases import Lease
from wharfie.formats.oci.platform import spell
from wharfie.formats.reference import parse_reference
from wharfie.model.build.graph import SourceOp
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.errors import EngineError, NotFound
from wharfie.model.image import Image
from wharfie.model.registry import ANONYMOUS, Credentials
from wharfie.model.snapshot import StepSnapshotter

_log = logging.getLogger(__name__)
SCHEME = "docker-image://"


class ImageSource:
    """Finds images, pulls what is missing."""

    def __init__(self, images: Images, snapshots: StepSnapshotter) -> None:
        self._images = images
        self._snapshots = snapshots

    async def fetch(
        self, operation: SourceOp, credentials: Mapping[str, Credentials], lease: Lease
    ) -> LayeredResult:
        """The layers of an image, held by the lease.

        Raises:
            NotFound: neither here nor in the registry.
        """
        reference, _, digest = operation.identifier.removeprefix(SCHEME).rpartition("@")
        image = self._find(reference, digest)
        if image is None:
            image = await self._pull(f"{reference}@{digest}", operation, credentials)
        for chain in image.chain_ids:
            lease.hold_chain(chain)
        self._images.note_use(image)
        key = image_key(operation.identifier)
        return LayeredResult(key, layers=self._layers(image), cached=True)

    async def cached_results(
        self, reference: str, credentials: Mapping[str, Credentials], lease: Lease
    ) -> dict[str, Imported]:
        """Results that an image brings in its inline cache, held by the lease, by key.

        An image that is neither here nor in its registry brings none.
        """
        try:
            image = self._images.get(reference)
        except NotFound:
            try:
                image = await self._pull(reference, SourceOp(identifier=""), credentials)
            except EngineError as error:
                _log.info("no cache from %s: %s", reference, error)
                return {}
        for chain in image.chain_ids:
            lease.hold_chain(chain)
        return decode(await self._images.builds.config(image), self._layers(image))

    def _layers(self, image: Image) -> list[SolvedLayer]:
        return [
            SolvedLayer(chain_id=chain, diff_id=diff_id, size=self._size(image, number))
            for number, (chain, diff_id) in enumerate(
                zip(image.chain_ids, image.document.rootfs.diff_ids, strict=True)
            )
        ]

    def _find(self, reference: str, digest: str) -> Image | None:
        for name in (digest, f"{reference}@{digest}"):
            try:
                return self._images.get(name)
            except NotFound:
                continue
        return None

    async def _pull(
        self, name: str, operation: SourceOp, credentials: Mapping[str, Credentials]
    ) -> Image:
        reference = parse_reference(name)
        request = PullRequest(
            ref=name,
            platform=spell(operation.platform) if operation.platform else "",
            credentials=credentials.get(reference.domain, ANONYMOUS),
        )
        async for _ in self._images.pull(request):
            pass
        return self._images.get(name)

    def _size(self, image: Image, number: int) -> int:
        layer = self._snapshots.layer(image.chain_ids[number])
        return 0 if layer is None else layer.size
