"""Pulling, as far as this engine goes: no registry client yet, one embedded image.

A pull of `busybox` on an engine without registries offers an image made of this host's static
busybox, and says so; any other pull is refused with the way that does work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from wharfie.engine.images.catalog import Catalog
from wharfie.engine.images.default_image import DEFAULT_REFERENCE
from wharfie.formats.reference import InvalidReference, parse_reference
from wharfie.model.errors import InvalidArgument, NotFound, NotSupported
from wharfie.model.image import Image

Progress = dict[str, object]


def pull(
    ref: str, catalog: Catalog, install: Callable[[], Awaitable[Image]]
) -> AsyncIterator[Progress]:
    """Yield the messages of a pull; refusals are raised at the call.

    Args:
        ref: what to pull, familiar or canonical.
        catalog: images that are there.
        install: makes the embedded image.

    Raises:
        InvalidArgument: not a reference.
        NotSupported: anything but the embedded image.
    """
    try:
        wanted = parse_reference(ref).tagged()
    except InvalidReference as error:
        raise InvalidArgument(str(error)) from None
    if wanted != parse_reference(DEFAULT_REFERENCE):
        raise NotSupported(
            f"cannot pull {ref}: this engine does not talk to registries yet. "
            f"Save the image elsewhere (docker save {ref}) and load it here (wharfie load)"
        )
    return _offer(catalog, install)


async def _offer(
    catalog: Catalog, install: Callable[[], Awaitable[Image]]
) -> AsyncIterator[Progress]:
    yield {"status": "Pulling from library/busybox", "id": "latest"}
    try:
        catalog.get(DEFAULT_REFERENCE)
    except NotFound:
        yield {
            "status": "No registry is configured: taking the busybox embedded in this engine, "
            "made of this host's static busybox"
        }
        image = await install()
        yield {"status": f"Status: Loaded embedded image {image.id} for busybox:latest"}
    else:
        yield {"status": "Status: Image is up to date for busybox:latest"}
