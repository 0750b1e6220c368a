"""The rows of `network ls`, `volume ls` and `history`."""

from __future__ import annotations

from wharfie.cli.output.template import Listing
from wharfie.cli.output.values import (
    ago,
    ellipsis,
    label_of,
    labels_text,
    mapping,
    number,
    short_id,
    size,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Item = Mapping[str, object]


def _network_created(item: Item) -> str:
    from wharfie.formats.timestamps import go_string, parse_rfc3339

    moment = parse_rfc3339(text(item, "Created"))
    return go_string(*moment, utc=True) if moment else ""


def _word(item: Item, name: str, *, default: bool = False) -> str:
    value = item.get(name, default)
    return "true" if value is True else "false"


def networks(*, truncate: bool) -> Listing:
    """Return how networks are listed."""
    return Listing(
        "*network.networkContext",
        "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
        {
            "CreatedAt": ("CREATED AT", _network_created),
            "Driver": ("DRIVER", lambda item: text(item, "Driver")),
            "ID": (
                "NETWORK ID",
                lambda item: short_id(text(item, "Id")) if truncate else text(item, "Id"),
            ),
            "IPv4": ("IPV4", lambda item: _word(item, "EnableIPv4", default=True)),
            "IPv6": ("IPV6", lambda item: _word(item, "EnableIPv6")),
            "Internal": ("INTERNAL", lambda item: _word(item, "Internal")),
            "Labels": ("LABELS", lambda item: labels_text(mapping(item, "Labels"))),
            "Name": ("NAME", lambda item: text(item, "Name")),
            "Scope": ("SCOPE", lambda item: text(item, "Scope")),
        },
        methods={"Label": label_of},
    )


def _volume_links(item: Item) -> str:
    usage = mapping(item, "UsageData")
    return str(usage["RefCount"]) if "RefCount" in usage else "N/A"


def _volume_size(item: Item) -> str:
    usage = mapping(item, "UsageData")
    from wharfie.formats.units import human_size

    return human_size(number(usage, "Size")) if "Size" in usage else "N/A"


def volumes() -> Listing:
    """Return how volumes are listed."""
    return Listing(
        "*formatter.volumeContext",
        "{{.Driver}}\t{{.Name}}",
        {
            "Availability": ("AVAILABILITY", lambda _item: "N/A"),
            "Driver": ("DRIVER", lambda item: text(item, "Driver")),
            "Group": ("GROUP", lambda _item: "N/A"),
            "Labels": ("LABELS", lambda item: labels_text(mapping(item, "Labels"))),
            "Links": ("LINKS", _volume_links),
            "Mountpoint": ("MOUNTPOINT", lambda item: text(item, "Mountpoint")),
            "Name": ("VOLUME NAME", lambda item: text(item, "Name")),
            "Scope": ("SCOPE", lambda item: text(item, "Scope")),
            "Size": ("SIZE", _volume_size),
            "Status": ("STATUS", lambda _item: "N/A"),
        },
        methods={"Label": label_of},
    )


def search(*, truncate: bool) -> Listing:
    """Return how results of a search are listed."""

    def description(item: Item) -> str:
        shown = text(item, "description").replace("\n", " ").replace("\r", " ")
        return ellipsis(shown, 45) if truncate else shown

    def is_set(item: Item, name: str) -> str:
        return "[OK]" if item.get(name) is True else ""

    return Listing(
        "*search.searchContext",
        "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
        {
            "Description": ("DESCRIPTION", description),
            "IsAutomated": ("AUTOMATED", lambda item: is_set(item, "is_automated")),
            "IsOfficial": ("OFFICIAL", lambda item: is_set(item, "is_official")),
            "Name": ("NAME", lambda item: text(item, "name")),
            "StarCount": ("STARS", lambda item: str(number(item, "star_count"))),
        },
    )


def history(*, truncate: bool, human: bool) -> Listing:
    """Return how the history of an image is listed."""

    def identifier(item: Item) -> str:
        return short_id(text(item, "Id")) if truncate else text(item, "Id")

    def created_by(item: Item) -> str:
        shown = text(item, "CreatedBy").replace("\t", " ")
        if truncate and len(shown) > 45:
            shown = shown[:44] + "\u2026"
        return shown

    def moment(item: Item) -> str:
        from wharfie.formats.timestamps import rfc3339

        return rfc3339(number(item, "Created"))

    def since(item: Item) -> str:
        if not human:
            return moment(item)
        return "" if number(item, "Created") <= 0 else ago(number(item, "Created"))

    def layer_size(item: Item) -> str:
        return size(number(item, "Size")) if human else str(number(item, "Size"))

    head = "CREATED" if human else "CREATED AT"
    column = "{{.CreatedSince}}" if human else "{{.CreatedAt}}"
    return Listing(
        "*history.historyContext",
        f"{{{{.ID}}}}\t{column}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}",
        {
            "Comment": ("COMMENT", lambda item: text(item, "Comment")),
            "CreatedAt": ("CREATED AT", moment),
            "CreatedBy": ("CREATED BY", created_by),
            "CreatedSince": (head, since),
            "ID": ("IMAGE", identifier),
            "Size": ("SIZE", layer_size),
        },
    )
