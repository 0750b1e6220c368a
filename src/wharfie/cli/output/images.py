"""The rows of `images`: one per tag, or per digest where there is no tag."""

from __future__ import annotations

from wharfie.cli.output.template import Listing
from wharfie.cli.output.values import ago, number, objects, sequence, short_id, size, text
from wharfie.formats.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Item = Mapping[str, object]

NONE = "<none>"
COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
DIGEST_COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"


def familiar(name: str) -> str:
    """Leave out the registry and `library/` of a name on the default registry."""
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def expand(images: object, *, digests: bool) -> Iterator[Item]:
    """Yield a row per tag; with `digests`, per digest of every repository."""
    for image in objects(images):
        tags = [str(tag) for tag in sequence(image, "RepoTags") if tag != f"{NONE}:{NONE}"]
        pairs = [str(pair) for pair in sequence(image, "RepoDigests") if pair != f"{NONE}@{NONE}"]
        by_name: dict[str, tuple[list[str], list[str]]] = {}
        for tag in tags:
            name, _, label = tag.rpartition(":")
            by_name.setdefault(familiar(name), ([], []))[0].append(label)
        for pair in pairs:
            name, _, digest = pair.partition("@")
            by_name.setdefault(familiar(name), ([], []))[1].append(digest)
        rows = [
            row
            for name, (some, more) in by_name.items()
            for row in _rows(name, some, more, digests=digests)
        ]
        for name, tag, digest in rows or [(NONE, NONE, NONE)]:
            yield {**image, "_repository": name, "_tag": tag, "_digest": digest}


def _rows(
    name: str, tags: list[str], digests_of: list[str], *, digests: bool
) -> list[tuple[str, str, str]]:
    if not tags:
        return [(name, NONE, digest) for digest in digests_of]
    if not digests:
        return [(name, tag, (digests_of or [NONE])[0]) for tag in tags]
    return [(name, tag, digest) for tag in tags for digest in digests_of or [NONE]]


def _created(item: Item) -> str:
    from wharfie.formats.timestamps import go_string

    return go_string(number(item, "Created"))


def _optional_size(item: Item, name: str) -> str:
    value = item.get(name)
    return "N/A" if not isinstance(value, int) or value < 0 else human_size(value)


def _unknown(_item: Item) -> str:
    return "N/A"


def _count(item: Item) -> str:
    value = item.get("Containers")
    return "N/A" if not isinstance(value, int) or value < 0 else str(value)


def _unique(item: Item) -> str:
    shared = item.get("SharedSize")
    if not isinstance(shared, int) or shared < 0:
        return "N/A"
    return human_size(number(item, "Size") - shared)


def listing(*, truncate: bool, usage: bool = False) -> Listing:
    """Return how images are listed; only `usage` counts their containers, as Docker does."""
    return Listing(
        "*formatter.imageContext",
        COLUMNS,
        {
            "Containers": ("CONTAINERS", _count if usage else _unknown),
            "CreatedAt": ("CREATED AT", _created),
            "CreatedSince": ("CREATED", lambda item: ago(number(item, "Created"))),
            "Digest": ("DIGEST", lambda item: text(item, "_digest")),
            "ID": (
                "IMAGE ID",
                lambda item: short_id(text(item, "Id")) if truncate else text(item, "Id"),
            ),
            "Repository": ("REPOSITORY", lambda item: text(item, "_repository")),
            "SharedSize": ("SHARED SIZE", lambda item: _optional_size(item, "SharedSize")),
            "Size": ("SIZE", lambda item: size(number(item, "Size"))),
            "Tag": ("TAG", lambda item: text(item, "_tag")),
            "UniqueSize": ("UNIQUE SIZE", _unique),
            "VirtualSize": ("SIZE", lambda item: human_size(number(item, "Size"))),
        },
    )
