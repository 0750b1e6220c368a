"""Base images for a frontend: those here, or pulled, with the caller told of it."""

from __future__ import annotations

from collections.abc import Mapping

from wharfie.build.happenings import Pulling
from wharfie.build.steps import Tell
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.pulling import PullRequest
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import spell
from wharfie.formats.reference import DEFAULT_DOMAIN, InvalidReference, parse_reference
from wharfie.model.build.plan import BaseImage, ResolveMode
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.ids import Digest
from wharfie.model.image import Image
from wharfie.model.registry import ANONYMOUS, Credentials

_HUB_NAMES = (
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
    "registry-1.docker.io",
)


class ImageBridge:
    """See `model.build.plan.FrontendBridge`."""

    def __init__(self, images: Images, credentials: Mapping[str, Credentials], tell: Tell) -> None:
        self._images = images
        self._credentials = credentials
        self._tell = tell
        self._pulled: set[tuple[str, str]] = set()

    async def resolve_image(
        self, reference: str, platform: Platform, mode: ResolveMode
    ) -> BaseImage:
        """The image of this name, pulled where it has to be (see the port)."""
        wanted = spell(platform)
        if mode is ResolveMode.LOCAL or (reference, wanted) in self._pulled:
            try:
                return _base(reference, self._images.get(reference, platform=wanted))
            except NotFound:
                pass
        await self._pull(reference, wanted)
        self._pulled.add((reference, wanted))
        return _base(reference, self._images.get(reference, platform=wanted))

    async def _pull(self, reference: str, platform: str) -> None:
        try:
            parsed = parse_reference(reference)
        except InvalidReference as error:
            raise InvalidArgument(str(error)) from None
        request = PullRequest(
            ref=parsed.tagged().familiar(),
            platform=platform,
            credentials=credentials_for(parsed.domain, self._credentials),
        )
        async for message in self._images.pull(request):
            self._tell(Pulling(message))


def credentials_for(domain: str, known: Mapping[str, Credentials]) -> Credentials:
    """Those of X-Registry-Config that are meant for a registry."""
    names = _HUB_NAMES if domain == DEFAULT_DOMAIN else (domain, f"https://{domain}")
    for name in names:
        if name in known:
            return known[name]
    return ANONYMOUS


def _base(reference: str, image: Image) -> BaseImage:
    try:
        name = str(parse_reference(reference).tagged())
    except InvalidReference:
        name = reference
    return BaseImage(
        reference=name,
        identifier=f"docker-image://{name.partition('@')[0]}@{image.id}",
        digest=Digest(image.id),
        document=image.document,
    )
