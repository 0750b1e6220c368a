"""Replies against the published definitions of an API version, trimmed in tests/golden/schemas.

A schema is an object: `type`, `ref` (of a definition), `null` (it may be null), `enum`, `required`,
`properties`, `items`, `values` (of a map), `all` (every one of these holds).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden" / "schemas"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Schemas:
    """The definitions of one version."""

    def __init__(self, version: str) -> None:
        self._document = load(version)

    def faults(self, operation: str, reply: object) -> Iterator[str]:
        """What in a reply is not as published, as `path: fault`; lists are `[]`, maps `{}`."""
        yield from self._check(self._document["operations"][operation], reply, "")

    def _check(self, schema: dict[str, Any], value: object, path: str) -> Iterator[str]:
        if value is None:
            if not self._may_be_null(schema):
                yield f"{path}: null"
            return
        if "ref" in schema:
            yield from self._check(self._document["definitions"][schema["ref"]], value, path)
            return
        for part in schema.get("all", ()):
            yield from self._check(part, value, path)
        kinds = _TYPES.get(schema.get("type", ""))
        if kinds is not None and not _is_one_of(value, kinds):
            yield f"{path}: {type(value).__name__} where {schema['type']} is published"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{path}: {value!r} is not among the published values"
        yield from self._check_inside(schema, value, path)

    def _check_inside(self, schema: dict[str, Any], value: object, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for name in schema.get("required", ()):
                if name not in value:
                    yield f"{path}.{name}: missing"
            for name, inner in value.items():
                if name in properties:
                    yield from self._check(properties[name], inner, f"{path}.{name}")
                elif "values" in schema:
                    yield from self._check(schema["values"], inner, f"{path}{{}}")
        elif isinstance(value, list) and "items" in schema:
            for inner in value:
                yield from self._check(schema["items"], inner, f"{path}[]")

    def _may_be_null(self, schema: dict[str, Any]) -> bool:
        if schema.get("null"):
            return True
        if "ref" in schema:
            return self._may_be_null(self._document["definitions"][schema["ref"]])
        return any(self._may_be_null(part) for part in schema.get("all", ()))


@cache
def load(version: str) -> dict[str, Any]:
    """The trimmed definitions of a version."""
    document: dict[str, Any] = json.loads((GOLDEN / f"v{version}.json").read_text())
    return document


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds)
