"""Inline cache: what a later build, on another machine too, may take from an image. Pure.

    "wharfie.cache.v1": {"layers": [[[<key>, …], …], …]}      a member of the image's config

For each layer, base first, the keys of each result that ends with it, the one that stands for it
first; none for those of the base.
BuildKit's own member ("moby.buildkit.cache.v0") speaks of its keys, which are not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from wharfie.model.build.solver import SolvedLayer
from wharfie.model.ids import ChainId

MEMBER = "wharfie.cache.v1"
_MAX_KEYS = 10_000


class _InlineCache(Struct):
    layers: list[list[list[str]]]


class Imported(Struct, frozen=True):
    """A result that an image brings: all its keys, the one that stands for it first."""

    keys: list[str]
    layers: list[SolvedLayer]


class _Config(Struct):
    cache: _InlineCache | None = msgspec.field(default=None, name=MEMBER)


def encode(layers: Sequence[SolvedLayer], keys: Mapping[ChainId, list[list[str]]]) -> object:
    """The member for an image of these layers.

    Args:
        layers: of the image.
        keys: of each result, by its topmost layer.
    """
    return {"layers": [sorted(keys.get(layer.chain_id, ())) for layer in layers]}


def decode(config: bytes, layers: Sequence[SolvedLayer]) -> dict[str, Imported]:
    """Results by key, as an image's config tells; nothing where it tells nothing sensible."""
    try:
        found = msgspec.json.decode(config, type=_Config).cache
    except msgspec.MsgspecError:
        return {}
    if found is None or len(found.layers) != len(layers):
        return {}
    results: dict[str, Imported] = {}
    for number, ending in enumerate(found.layers, 1):
        for keys in ending:
            imported = Imported(keys, list(layers[:number]))
            for key in keys:
                if len(results) < _MAX_KEYS:
                    results[key] = imported
    return results
