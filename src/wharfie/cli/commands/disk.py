"""`system df`: the space images, containers, volumes and build cache take."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import LIST
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.output import containers, images, resources
from wharfie.cli.output.template import Listing
from wharfie.cli.output.values import ago, mapping, number, objects, short_id, text
from wharfie.formats.pflag import Values
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.cli.output.template import Read

    Item = Mapping[str, object]

_ACTIVE_STATES = ("running", "paused", "restarting")
_IMAGE_COLUMNS = (
    "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}"
    "\t{{.UniqueSize}}\t{{.Containers}}"
)
_CONTAINER_COLUMNS = (
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}"
    "\t{{.Status}}\t{{.Names}}"
)
_CACHE_COLUMNS = (
    "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}"
    "\t{{.UsageCount}}\t{{.Shared}}"
)


def _row(kind: str, total: int, active: int, size: int, reclaimable: str) -> Item:
    return {
        "Type": kind,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": human_size(size),
        "Reclaimable": reclaimable,
    }


def _share(part: int, whole: int) -> str:
    return f"{human_size(part)} ({part * 100 // whole}%)" if whole > 0 else human_size(part)


def _images_row(document: Item) -> Item:
    found = objects(document.get("Images"))
    layers = number(document, "LayersSize")
    used = 0
    for image in found:
        shared = image.get("SharedSize", -1)
        if number(image, "Containers") != 0 and isinstance(shared, int) and shared != -1:
            used += number(image, "Size") - shared
    active = sum(number(image, "Containers") > 0 for image in found)
    return _row("Images", len(found), active, layers, _share(layers - used, layers))


def _is_active(container: Item) -> bool:
    return any(state in text(container, "State") for state in _ACTIVE_STATES)


def _containers_row(document: Item) -> Item:
    found = objects(document.get("Containers"))
    size = sum(number(container, "SizeRw") for container in found)
    idle = sum(number(container, "SizeRw") for container in found if not _is_active(container))
    active = sum(_is_active(container) for container in found)
    return _row("Containers", len(found), active, size, _share(idle, size))


def _volumes_row(document: Item) -> Item:
    usages = [mapping(volume, "UsageData") for volume in objects(document.get("Volumes"))]
    known = [usage for usage in usages if number(usage, "Size") != -1]
    size = sum(number(usage, "Size") for usage in known)
    idle = sum(number(usage, "Size") for usage in known if number(usage, "RefCount") == 0)
    active = sum(number(usage, "RefCount") > 0 for usage in usages)
    return _row("Local Volumes", len(usages), active, size, _share(idle, size))


def _cache_row(document: Item) -> Item:
    found = objects(document.get("BuildCache"))
    size = sum(number(entry, "Size") for entry in found if entry.get("Shared") is not True)
    used = sum(
        number(entry, "Size")
        for entry in found
        if entry.get("InUse") is True and entry.get("Shared") is not True
    )
    active = sum(entry.get("InUse") is True for entry in found)
    return _row("Build Cache", len(found), active, size, human_size(size - used))


def _cell(name: str) -> Read:
    return lambda item: item[name]


def _summary() -> Listing:
    heads = {
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    }
    return Listing(
        "*formatter.diskUsageContext",
        "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        {name: (head, _cell(name)) for name, head in heads.items()},
    )


def _moment(item: Item, name: str) -> str:
    from wharfie.formats.timestamps import parse_rfc3339

    moment = parse_rfc3339(text(item, name))
    return ago(moment[0]) if moment else ""


def _caches() -> Listing:
    return Listing(
        "*formatter.buildCacheContext",
        "",
        {
            "ID": ("CACHE ID", lambda item: short_id(text(item, "ID"))),
            "CacheType": ("CACHE TYPE", lambda item: text(item, "Type")),
            "Size": ("SIZE", lambda item: human_size(number(item, "Size"), 3)),
            "CreatedSince": ("CREATED", lambda item: _moment(item, "CreatedAt")),
            "LastUsedSince": ("LAST USED", lambda item: _moment(item, "LastUsedAt")),
            "UsageCount": ("USAGE", lambda item: str(number(item, "UsageCount"))),
            "Shared": ("SHARED", lambda item: "true" if item.get("Shared") is True else "false"),
        },
    )


def _verbose(document: Item) -> str:
    rows = images.expand(document.get("Images"), digests=False)
    used = images.listing(truncate=True, usage=True).render(rows, _IMAGE_COLUMNS)
    layers = [{**item, "SizeRootFs": 0} for item in objects(document.get("Containers"))]
    held = containers.listing(truncate=True).render(layers, _CONTAINER_COLUMNS)
    kept = resources.volumes().render(
        objects(document.get("Volumes")), "table {{.Name}}\t{{.Links}}\t{{.Size}}"
    )
    entries = objects(document.get("BuildCache"))
    size = text(_cache_row(document), "Size")
    return (
        f"Images space usage:\n\n{used}\nContainers space usage:\n\n{held}\n"
        f"Local Volumes space usage:\n\n{kept}\nBuild cache usage: {size}\n\n"
        f"{_caches().render(entries, _CACHE_COLUMNS)}"
    )


def run_df(context: Context, flags: Values) -> int:
    """Print the use of space."""
    found = context.client.json("GET", "/system/df")
    document = found if isinstance(found, dict) else {}
    source = flags.text("format")
    if flags.on("verbose"):
        if source:
            raise CommandError("--verbose with --format is not supported")
        context.write(_verbose(document))
        return 0
    rows = [
        _images_row(document),
        _containers_row(document),
        _volumes_row(document),
        _cache_row(document),
    ]
    context.write(_summary().render(rows, source or "table"))
    return 0


DF = Command(
    run_df,
    "Show docker disk usage",
    flags=f"""
    {LIST}
    -v, --verbose  Show detailed information on space usage
    """,
)
