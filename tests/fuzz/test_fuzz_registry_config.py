"""Whatever stands in the registry's configuration is taken or complained about, never a crash."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from wharfie.formats.block_yaml import YamlError
from wharfie.registry.config import ConfigError
from wharfie.registry.config.document import UNSERVED, Document
from wharfie.registry.config.loading import _Maker
from wharfie.registry.config.reading import Reading


def names_of(kind: inspect.Type) -> set[str]:
    match kind:
        case inspect.StructType():
            inner = (names_of(one.type) for one in kind.fields)
            return {one.encode_name for one in kind.fields}.union(*inner)
        case inspect.ListType():
            return names_of(kind.item_type)
        case inspect.UnionType():
            return set().union(*(names_of(one) for one in kind.types))
    return set()


NAMES = sorted(names_of(inspect.type_info(Document)) | {word for path in UNSERVED for word in path})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 1 << 40), st.floats(0, 9, width=16),
    st.sampled_from(["", "x", ":5000", "1h", "http://a", "5GiB", "**", "anonymous", "tls1.2"]),
    st.text(max_size=6),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(text: str, environment: dict[str, str]) -> None:
    try:
        reading = Reading(text, environment)
    except YamlError:
        return
    document = reading.document()
    if not reading.problems:
        try:
            _Maker(document, reading).config()
        except ConfigError:
            return
    assert all(isinstance(line, int) and text for line, text in reading.problems)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_any_document(value: dict[str, object]) -> None:
    read("\n".join(f"{key}: {json.dumps(one)}" for key, one in value.items()), {})


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.lists(st.sampled_from([*NAMES, "0", "1", "7", "x", ""]), max_size=5).map(
            lambda words: "REGISTRY_" + "_".join(words).upper()
        ),
        st.sampled_from(["", "true", "x", "[a]", "{a: b}", "- a", "5", "filesystem", "htpasswd"])
        | st.text(max_size=8),
        max_size=4,
    ),
    st.sampled_from(["", "storage: s3\n", "http: 5\n", "notifications: {endpoints: [{}]}\n"]),
)
def test_any_environment(environment: dict[str, str], text: str) -> None:
    read(text, environment)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    read(text, {})
