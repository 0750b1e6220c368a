"""The guide's examples are configurations, and its table names every key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import inspect

from wharfie.registry.config.document import Document
from wharfie.registry.config.reading import Reading

GUIDE = (Path(__file__).parents[4] / "docs/registry.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_understood(text: str) -> None:
    reading = Reading(text.replace("…", "x"), {})
    assert reading.document() != Document()
    assert (reading.problems, reading.warnings) == ([], [])


def keys_of(kind: inspect.Type) -> set[str]:
    match kind:
        case inspect.StructType():
            inner = (keys_of(one.type) for one in kind.fields)
            return {one.encode_name for one in kind.fields}.union(*inner)
        case inspect.ListType():
            return keys_of(kind.item_type)
        case inspect.UnionType():
            return set().union(*(keys_of(one) for one in kind.types))
    return set()


def test_the_table_names_every_key() -> None:
    table = GUIDE.partition("## All settings")[2]
    words = set(re.findall(r"[a-z0-9]+", table))
    aliases = {"loglevel", "net", "v4auth", "version", "mediatypes", "actions", "dryrun"}
    assert sorted(keys_of(inspect.type_info(Document)) - words - aliases) == []
