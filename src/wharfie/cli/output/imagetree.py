"""The rows of `images --tree`: images, and below each the platforms it is stored for.

Laid out as Docker's client does it: columns that do not fit go, from the right, and names are cut.
Source: observed of docker CLI 28.2.
"""

from __future__ import annotations

from wharfie.cli.output.images import NONE, familiar
from wharfie.cli.output.values import number, objects, sequence, short_id, size, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Item = Mapping[str, object]
    Row = tuple[str, ...]

WARNING = (
    "WARNING: This is an experimental feature. The output may change and shouldn't be depended on."
)
_TITLES = ("IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA")
_WIDTHS = (0, 12, 10, 12, 5)
_GAP = "   "
_LEAST_NAME = 12
_UNTAGGED = "<untagged>"
_RESET = "\033[0m"
_PLAIN, _TITLE, _NAME = "\033[39m", "\033[39m\033[1m", "\033[34m\033[1m"
_NAMELESS = "\033[39m\033[2m"
_CHIP = "\033[38;5;0m\033[48;5;14m U \033[0m"


class Tree:
    """Draws images as trees.

    Args:
        width: columns of the screen.
        colors: it is a terminal.
    """

    def __init__(self, *, width: int, colors: bool) -> None:
        self._width = width
        self._colors = colors

    def render(self, images: object, *, untagged: bool) -> str:
        """The whole output.

        Args:
            images: as the API lists them, with manifests.
            untagged: show those too that have no name.
        """
        blocks = [
            (names, image, objects(image.get("Manifests")))
            for image in objects(images)
            if (names := _names(image) or ([_UNTAGGED] if untagged else []))
        ]
        blocks = [(names, image, _of_images(children)) for names, image, children in blocks]
        longest = max(
            (
                len(name.encode())  # bytes, as there
                for names, _, children in blocks
                for name in (*names, *(f"└─ {_platform(child)}" for child in children))
            ),
            default=0,
        )
        columns, width = self._fit(max(longest, len(_TITLES[0])))
        lines = [self._warning(), self._legend(), "", self._heading(columns, width)]
        has_space = any(children for _, _, children in blocks)
        for names, image, children in blocks:
            lines += self._block(names, image, children, columns, width)
            lines += [""] if has_space else []
        return "".join(f"{line}\n" for line in lines)

    def _fit(self, longest: int) -> tuple[int, int]:
        """How many columns are shown, and how wide the first one is."""
        columns = len(_TITLES)
        while columns > 2 and _LEAST_NAME + _others(columns) > self._width:
            columns -= 1
        return columns, max(min(longest, self._width - _others(columns)), 1)

    def _block(
        self, names: Sequence[str], image: Item, children: list[Item], columns: int, width: int
    ) -> Iterator[str]:
        content = sum(_size(child, "Content") for child in children)
        cells = (
            short_id(text(image, "Id")),
            size(number(image, "Size")),
            size(content),
        )
        *others, last = names
        for name in others:
            yield self._paint(name, _NAME)
        used = any(_is_used(child) for child in children)
        color = _NAMELESS if names == [_UNTAGGED] else _NAME
        yield self._row(_cut(last, width), cells, columns, width, color=color, used=used)
        for index, child in enumerate(children, 1):
            branch = "└─" if index == len(children) else "├─"
            cells = (
                short_id(text(child, "ID")),
                size(_size(child, "Total")),
                size(_size(child, "Content")),
            )
            name = _cut(f"{branch} {_platform(child)}", width)
            yield self._row(name, cells, columns, width, color=_PLAIN, used=_is_used(child))

    def _row(
        self, name: str, cells: Row, columns: int, width: int, *, color: str, used: bool
    ) -> str:
        parts = [self._paint(name, color) + " " * (width - len(name))]
        for cell, room in list(zip(cells, _WIDTHS[1:], strict=False))[: columns - 1]:
            left = " " * (room - len(cell))
            parts.append(left + self._paint(cell, _PLAIN))
        if columns == len(_TITLES):
            parts.append(self._chip() if used else " " * _WIDTHS[-1])
        return _GAP.join(parts)

    def _chip(self) -> str:
        return f"{_CHIP}  " if self._colors else "U    "

    def _heading(self, columns: int, width: int) -> str:
        widths = (width, *_WIDTHS[1:])
        shown = list(zip(_TITLES, widths, strict=True))[:columns]
        padded = [f"{_TITLE}{title}{_RESET}" + " " * (room - len(title)) for title, room in shown]
        return _GAP.join(padded)

    def _warning(self) -> str:
        return f"\033[93m{WARNING}{_RESET}" if self._colors else WARNING

    def _legend(self) -> str:
        if not self._colors:
            return " Info ->  U In Use ".rjust(self._width)
        visible = len("i Info →   U  In Use ")
        return (
            " " * max(self._width - visible, 0)
            + "\033[1m\033[106m\033[30mi\033[0m\033[0m \033[96mInfo → \033[0m\033[0m "
            + f"{_CHIP} In Use "
        )

    def _paint(self, text_: str, color: str) -> str:
        return f"{color}{text_}{_RESET}" if self._colors else text_


def _names(image: Item) -> list[str]:
    tags = (str(tag) for tag in sequence(image, "RepoTags"))
    return [familiar(tag) for tag in tags if tag != f"{NONE}:{NONE}"]


def _of_images(manifests: list[Item]) -> list[Item]:
    """What attestations and the like are told by is not shown."""
    return [one for one in manifests if one.get("Kind") == "image" and one.get("Available")]


def _member(item: Item, name: str) -> Item:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _platform(manifest: Item) -> str:
    platform = _member(_member(manifest, "ImageData"), "Platform")
    parts = (platform.get(name) for name in ("os", "architecture", "variant"))
    return "/".join(str(part) for part in parts if part)


def _size(manifest: Item, name: str) -> int:
    return number(_member(manifest, "Size"), name)


def _is_used(manifest: Item) -> bool:
    return bool(sequence(_member(manifest, "ImageData"), "Containers"))


def _others(columns: int) -> int:
    return sum(_WIDTHS[:columns]) + len(_GAP) * (columns - 1)


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
