"""`prune` in all its forms: remove what is not in use."""

from __future__ import annotations

import sys

from wharfie.cli.command import Command
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import objects, sequence
from wharfie.client.errors import DaemonError
from wharfie.formats.gojson import dumps
from wharfie.formats.pflag import Values
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Filters = dict[str, dict[str, bool]]

_FORCE = "-f, --force  Do not prompt for confirmation\n"
_DANGLING = "This will remove all dangling images."
_UNUSED = "This will remove all images without at least one container associated to them."


def confirm(context: Context, warning: str) -> bool:
    """Ask whether to go on."""
    context.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    context.flush()
    answer = sys.stdin.readline()
    return answer.strip().lower() == "y"


def filters_of(context: Context, flags: Values) -> Filters:
    """Return the filters of the flags and of the configuration's `pruneFilters`."""
    found = flags.filters("filter")
    for text in context.config.items("pruneFilters"):
        key, _, value = text.partition("=")
        if key not in {"label", "label!"}:
            found.setdefault(key, {})[value] = True
            continue
        opposite = "label!" if key == "label" else "label"
        if value not in found.get(opposite, {}):
            found.setdefault(key, {})[value] = True
    return found


def _post(
    context: Context, kind: str, filters: Filters, extra: dict[str, str] | None = None
) -> dict[str, object]:
    query = {"filters": dumps(filters)} if filters else {}
    found = context.client.json("POST", f"/{kind}/prune", query={**query, **(extra or {})})
    return found if isinstance(found, dict) else {}


def _space(document: dict[str, object]) -> int:
    value = document.get("SpaceReclaimed")
    return value if isinstance(value, int) else 0


def _containers(context: Context, filters: Filters) -> tuple[str, int]:
    document = _post(context, "containers", filters)
    names = [str(name) for name in sequence(document, "ContainersDeleted")]
    return _listed("Deleted Containers:", names), _space(document)


def _volumes(context: Context, filters: Filters) -> tuple[str, int]:
    document = _post(context, "volumes", filters)
    names = [str(name) for name in sequence(document, "VolumesDeleted")]
    return _listed("Deleted Volumes:", names), _space(document)


def _networks(context: Context, filters: Filters) -> tuple[str, int]:
    names = [str(name) for name in sequence(_post(context, "networks", filters), "NetworksDeleted")]
    return _listed("Deleted Networks:", names), 0


def _images(context: Context, filters: Filters) -> tuple[str, int]:
    document = _post(context, "images", filters)
    return _listed("Deleted Images:", _effects(document)), _space(document)


def _effects(document: dict[str, object]) -> list[str]:
    lines = []
    for item in objects(document.get("ImagesDeleted")):
        if item.get("Untagged"):
            lines.append(f"untagged: {item['Untagged']}")
        else:
            lines.append(f"deleted: {item.get('Deleted', '')}")
    return lines


def _cache(context: Context, filters: Filters) -> tuple[str, int]:
    """Prune the build cache; a daemon without a builder has none."""
    wanted = {name: values for name, values in filters.items() if name != "all"}
    query = {"filters": dumps(wanted)} if wanted else {}
    if "all" in filters:
        query["all"] = "1"
    try:
        found = context.client.json("POST", "/build/prune", query=query)
    except DaemonError as error:
        if error.status in {404, 501}:
            return "", 0
        raise
    document = found if isinstance(found, dict) else {}
    names = [str(name) for name in sequence(document, "CachesDeleted")]
    return _listed("Deleted build cache objects:", names), _space(document)


def _listed(title: str, names: list[str]) -> str:
    return "\n".join([title, *names, ""]) if names else ""


def _reclaimed(context: Context, size: int) -> None:
    context.say(f"Total reclaimed space: {human_size(size)}")


def run_containers(context: Context, flags: Values) -> int:
    """Remove stopped containers."""
    filters = filters_of(context, flags)
    if not flags.on("force") and not confirm(context, "This will remove all stopped containers."):
        return 0
    text, size = _containers(context, filters)
    context.write(text + "\n" if text else "")
    _reclaimed(context, size)
    return 0


def run_images(context: Context, flags: Values) -> int:
    """Remove dangling or unused images."""
    filters = filters_of(context, flags)
    everything = flags.on("all")
    filters["dangling"] = {"false" if everything else "true": True}
    if flags.on("dry-run"):
        document = _post(context, "images", filters, {"dry-run": "1"})
        context.write(_listed("Would delete images:", _effects(document)))
        context.say(f"Would reclaim space: {human_size(_space(document))}")
        return 0
    if not flags.on("force") and not confirm(context, _UNUSED if everything else _DANGLING):
        return 0
    text, size = _images(context, filters)
    context.write(text + "\n" if text else "")
    _reclaimed(context, size)
    return 0


def run_volumes(context: Context, flags: Values) -> int:
    """Remove unused volumes, anonymous ones only unless all are wanted."""
    filters = filters_of(context, flags)
    warning = "This will remove anonymous local volumes not used by at least one container."
    if flags.on("all"):
        if "all" in filters:
            raise CommandError("conflicting options: cannot specify both --all and --filter all=1")
        filters["all"] = {"true": True}
        warning = "This will remove all local volumes not used by at least one container."
    if flags.on("dry-run"):
        document = _post(context, "volumes", filters, {"dry-run": "1"})
        names = [str(name) for name in sequence(document, "VolumesDeleted")]
        context.write(_listed("Would delete volumes:", names))
        context.say(f"Would reclaim space: {human_size(_space(document))}")
        return 0
    if not flags.on("force") and not confirm(context, warning):
        return 0
    text, size = _volumes(context, filters)
    context.write(text + "\n" if text else "")
    _reclaimed(context, size)
    return 0


def run_networks(context: Context, flags: Values) -> int:
    """Remove unused networks."""
    filters = filters_of(context, flags)
    warning = "This will remove all custom networks not used by at least one container."
    if not flags.on("force") and not confirm(context, warning):
        return 0
    text, _ = _networks(context, filters)
    context.write(text + "\n" if text else "")
    return 0


def run_builder(context: Context, flags: Values) -> int:
    """Remove the build cache, what is shared with images too if all is wanted."""
    filters = filters_of(context, flags)
    warning = "This will remove all dangling build cache."
    if flags.on("all"):
        warning = "This will remove all build cache."
    if not flags.on("force") and not confirm(context, warning):
        return 0
    query = {"filters": dumps(filters)} if filters else {}
    if flags.on("all"):
        query["all"] = "1"
    if flags.number("keep-storage"):
        query["reserved-space"] = query["keep-storage"] = str(flags.number("keep-storage"))
    found = context.client.json("POST", "/build/prune", query=query)
    document = found if isinstance(found, dict) else {}
    names = [str(name) for name in sequence(document, "CachesDeleted")]
    text = _listed("Deleted build cache objects:", names)
    context.write(text + "\n" if text else "")
    _reclaimed(context, _space(document))
    return 0


def _system_warning(flags: Values, filters: Filters) -> str:
    images = "all images without at least one container associated to them"
    lines = ["  - all stopped containers", "  - all networks not used by at least one container"]
    if flags.on("volumes"):
        lines.append("  - all anonymous volumes not used by at least one container")
    lines.append(f"  - {images if flags.on('all') else 'all dangling images'}")
    lines.append(f"  - {'all build cache' if flags.on('all') else 'unused build cache'}")
    shown = sorted(f"{key}={value}" for key, values in filters.items() for value in values)
    text = "This will remove:\n" + "\n".join(lines) + "\n"
    if shown:
        text += "\n  Items to be pruned will be filtered with:\n"
        text += "".join(f"  - {item}\n" for item in shown)
    return text


def run_system(context: Context, flags: Values) -> int:
    """Remove everything that is not in use."""
    filters = filters_of(context, flags)
    if flags.on("volumes") and "until" in filters:
        raise CommandError('ERROR: The "until" filter is not supported with "--volumes"')
    if not flags.on("force") and not confirm(context, _system_warning(flags, filters)):
        return 0
    steps: list[tuple[Callable[[Context, Filters], tuple[str, int]], Filters]] = [
        (_containers, filters),
        (_networks, filters),
    ]
    if flags.on("volumes"):
        steps.append((_volumes, filters))
    dangling = {"dangling": {"false" if flags.on("all") else "true": True}}
    steps.append((_images, {**filters, **dangling}))
    steps.append((_cache, {**filters, **({"all": {"true": True}} if flags.on("all") else {})}))
    total = 0
    for step, wanted in steps:
        text, size = step(context, wanted)
        total += size
        context.write(text + "\n" if text else "")
    _reclaimed(context, total)
    return 0


def _filter(example: str) -> str:
    return f'--filter filter  Provide filter values (e.g. "{example}")\n'


_UNTIL, _LABEL = "until=<timestamp>", "label=<label>"
CONTAINERS = Command(
    run_containers, "Remove all stopped containers", flags=_filter(_UNTIL) + _FORCE
)
BUILDER = Command(
    run_builder,
    "Remove build cache",
    flags="-a, --all  Remove all unused build cache, not just dangling ones\n"
    + _filter("until=24h")
    + _FORCE
    + "--keep-storage bytes  Amount of disk space to keep for cache\n",
)
IMAGES = Command(
    run_images,
    "Remove unused images",
    flags="-a, --all  Remove all unused images, not just dangling ones\n"
    + "--dry-run  Only tell what would be removed\n"
    + _filter(_UNTIL)
    + _FORCE,
)
NETWORKS = Command(run_networks, "Remove all unused networks", flags=_filter(_UNTIL) + _FORCE)
VOLUMES = Command(
    run_volumes,
    "Remove unused local volumes",
    flags="-a, --all  Remove all unused volumes, not just anonymous ones\n"
    + "--dry-run  Only tell what would be removed\n"
    + _filter(_LABEL)
    + _FORCE,
)
SYSTEM = Command(
    run_system,
    "Remove unused data",
    flags="-a, --all  Remove all unused images not just dangling ones\n"
    + _filter("label=<key>=<value>")
    + _FORCE
    + "--volumes  Prune anonymous volumes\n",
)
