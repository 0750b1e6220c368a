"""Readers of single values, shared by the listings."""

from __future__ import annotations

import time

from wharfie.formats.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT_ID = 12


def text(item: Mapping[str, object], name: str) -> str:
    """Return a string member, empty when absent."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def number(item: Mapping[str, object], name: str) -> int:
    """Return an integer member, 0 when absent."""
    value = item.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def mapping(item: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object member, empty when absent."""
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def sequence(item: Mapping[str, object], name: str) -> list[object]:
    """Return a list member, empty when absent."""
    value = item.get(name)
    return value if isinstance(value, list) else []


def objects(value: object) -> list[Mapping[str, object]]:
    """Return the objects of a list."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def short_id(identifier: str) -> str:
    """Return the twelve characters people use; an algorithm in front is left out."""
    return identifier.rpartition(":")[2][:SHORT_ID]


def ellipsis(value: str, width: int) -> str:
    """Cut a text to `width` characters, the last one an ellipsis."""
    if len(value) <= width:
        return value
    return value[: width - 1] + "\u2026"


def labels_text(labels: Mapping[str, object]) -> str:
    """Return labels as `k=v,k=v`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def label_of(item: Mapping[str, object], name: str) -> object:
    """Return one label, empty when absent; the method `.Label`."""
    return mapping(item, "Labels").get(name, "")


def ago(seconds: float) -> str:
    """Spell how long ago a moment was."""
    return human_duration(time.time() - seconds) + " ago"


def size(value: float) -> str:
    """Spell a size with three digits, as listings do."""
    return human_size(value, 3)
