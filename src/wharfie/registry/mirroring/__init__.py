"""Copying repositories from registry to registry, digests unchanged.

`selection.py` reads what is meant, `copying.py` copies one repository: manifests as the bytes they
are, indexes with all their children, what refers to them, and at last the tags. `mirror.py` does
so for everything that is meant.
"""

from wharfie.registry.mirroring.mirror import Mirror, Side
from wharfie.registry.mirroring.selection import (
    InvalidSelection,
    Selection,
    parse_destination,
    parse_selection,
)

__all__ = [
    "InvalidSelection",
    "Mirror",
    "Selection",
    "Side",
    "parse_destination",
    "parse_selection",
]
