"""The rows of `ps`."""

from __future__ import annotations

from wharfie.cli.output.ports import ports_text
from wharfie.cli.output.template import Listing
from wharfie.cli.output.values import (
    ago,
    ellipsis,
    label_of,
    labels_text,
    mapping,
    number,
    objects,
    sequence,
    short_id,
    size,
    text,
)
from wharfie.formats.gojson import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Item = Mapping[str, object]

COLUMNS = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"


def _names(item: Item, *, truncate: bool) -> str:
    names = [str(name).removeprefix("/") for name in sequence(item, "Names")]
    if truncate:
        names = next(([name] for name in names if "/" not in name), names)
    return ",".join(names)


def _image(item: Item, *, truncate: bool) -> str:
    image, image_id = text(item, "Image"), text(item, "ImageID")
    if not image:
        return "<no image>"
    if not truncate:
        return image
    if short_id(image_id) == short_id(image):
        return short_id(image_id)
    name, at, _ = image.partition("@")
    if at and ":" in name.rpartition("/")[2]:
        return name
    return image


def _command(item: Item, *, truncate: bool) -> str:
    command = text(item, "Command")
    return quote(ellipsis(command, 20) if truncate else command)


def _size(item: Item) -> str:
    writable, whole = number(item, "SizeRw"), number(item, "SizeRootFs")
    shown = size(writable)
    return f"{shown} (virtual {size(whole)})" if whole > 0 else shown


def _mounts(item: Item, *, truncate: bool) -> str:
    names = []
    for mount in objects(item.get("Mounts")):
        name = text(mount, "Name") or text(mount, "Source")
        names.append(ellipsis(name, 15) if truncate else name)
    return ",".join(names)


def _volumes(item: Item) -> str:
    return str(sum(text(mount, "Driver") == "local" for mount in objects(item.get("Mounts"))))


def _networks(item: Item) -> str:
    return ",".join(sorted(mapping(mapping(item, "NetworkSettings"), "Networks")))


def _created(item: Item) -> str:
    from wharfie.formats.timestamps import go_string

    return go_string(number(item, "Created"))


def listing(*, truncate: bool) -> Listing:
    """Return how containers are listed; `truncate` shortens IDs and commands."""
    return Listing(
        "*formatter.ContainerContext",
        COLUMNS,
        {
            "Command": ("COMMAND", lambda item: _command(item, truncate=truncate)),
            "CreatedAt": ("CREATED AT", _created),
            "ID": (
                "CONTAINER ID",
                lambda item: short_id(text(item, "Id")) if truncate else text(item, "Id"),
            ),
            "Image": ("IMAGE", lambda item: _image(item, truncate=truncate)),
            "Labels": ("LABELS", lambda item: labels_text(mapping(item, "Labels"))),
            "LocalVolumes": ("LOCAL VOLUMES", _volumes),
            "Mounts": ("MOUNTS", lambda item: _mounts(item, truncate=truncate)),
            "Names": ("NAMES", lambda item: _names(item, truncate=truncate)),
            "Networks": ("NETWORKS", _networks),
            "Platform": ("PLATFORM", lambda item: item.get("Platform")),
            "Ports": ("PORTS", lambda item: ports_text(objects(item.get("Ports")))),
            "RunningFor": ("CREATED", lambda item: ago(number(item, "Created"))),
            "Size": ("SIZE", _size),
            "State": ("STATE", lambda item: text(item, "State")),
            "Status": ("STATUS", lambda item: text(item, "Status")),
        },
        methods={"Label": label_of},
    )
