"""A bridge of a frontend that knows a few images and asks nobody."""

from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.reference import parse_reference
from wharfie.model.build.plan import BaseImage, ResolveMode
from wharfie.model.errors import NotFound
from wharfie.model.image import History, ImageConfig, ImageDocument

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_document(**config: object) -> ImageDocument:
    """A busybox-like image; `config` changes its config."""
    settings: dict[str, object] = {"env": [PATH], "cmd": ["sh"], **config}
    return ImageDocument(
        architecture="amd64",
        os="linux",
        author="base",
        config=ImageConfig(**settings),  # type: ignore[arg-type]
        history=[History(created="2024-01-01T00:00:00Z", comment="Imported from -")],
    )


class FakeBridge:
    """Implements FrontendBridge."""

    def __init__(self, **images: ImageDocument) -> None:
        self.images = {"busybox": base_document(), **images}
        self.asked: list[tuple[str, Platform, ResolveMode]] = []

    async def resolve_image(
        self, reference: str, platform: Platform, mode: ResolveMode
    ) -> BaseImage:
        self.asked.append((reference, platform, mode))
        parsed = parse_reference(reference).tagged()
        document = self.images.get(parsed.familiar_name)
        if document is None:
            raise NotFound(f"pull access denied for {parsed.familiar_name}")
        digest = Digest("sha256:" + parsed.familiar_name.encode().hex().ljust(64, "0")[:64])
        return BaseImage(
            reference=str(parsed),
            identifier=f"docker-image://{parsed}@{digest}",
            digest=digest,
            document=document,
        )
