"""Pulling without a registry."""

from __future__ import annotations

import pytest

from wharfie.engine.images.pulling import pull
from wharfie.model.errors import InvalidArgument, NoSuchImage, NotSupported
from wharfie.model.ids import ImageId
from wharfie.model.image import Image, ImageDocument

IMAGE = Image(id=ImageId("sha256:" + "a" * 64), document=ImageDocument())


class Catalog:
    """Has the image once it was installed."""

    def __init__(self) -> None:
        self.installed = 0

    def get(self, ref: str) -> Image:
        if not self.installed:
            raise NoSuchImage(ref)
        return IMAGE

    async def install(self) -> Image:
        self.installed += 1
        return IMAGE


async def messages(catalog: Catalog, ref: str) -> list[str]:
    found = pull(ref, catalog, catalog.install)  # type: ignore[arg-type]
    return [str(message["status"]) async for message in found]


@pytest.mark.parametrize("ref", ["busybox", "busybox:latest", "docker.io/library/busybox"])
async def test_busybox_is_embedded_and_says_so(ref: str) -> None:
    catalog = Catalog()
    told = await messages(catalog, ref)
    assert catalog.installed == 1
    assert any("embedded" in text for text in told)
    assert (await messages(catalog, ref))[-1] == "Status: Image is up to date for busybox:latest"
    assert catalog.installed == 1


async def test_other_images_are_refused_with_the_way_that_works() -> None:
    with pytest.raises(NotSupported, match="load it here"):
        await messages(Catalog(), "alpine")
    with pytest.raises(InvalidArgument):
        await messages(Catalog(), "NOT A REF")
