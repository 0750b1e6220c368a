"""Any daemon.json is read or refused with a reason; nothing else happens."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from wharfie.daemon.config import WHARFIED, ConfigError
from wharfie.daemon.config.document import decode_document
from wharfie.daemon.config.explain import explain, to_json, to_table
from wharfie.daemon.config.flags import UsageError, parse_flags
from wharfie.daemon.config.options import OPTIONS
from wharfie.daemon.config.record import build_config
from wharfie.daemon.config.settings import Setting, Settings
from wharfie.daemon.reload import attributes, spell

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["a=b", "10.0.0.0/8", "1.2.3.4", "64m", "::1", "http://u:p@h", "1.40", "%"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["path", "runtimeArgs", "Name", "Soft", "base", "size", "a", "http-proxy"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([*(option.key for option in OPTIONS if option.key), "proxies", "nonsense"])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ConfigError):
        decode_document("/d.json", data)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_object_makes_a_config_or_is_refused(content: dict[str, object]) -> None:
    try:
        document = decode_document("/d.json", json.dumps(content).encode())
        given_ = {name: Setting(value, "/d.json:1") for name, value in document.values.items()}
        settings = Settings(given=given_, document=document, places=WHARFIED)
        config = build_config(settings, {"HOME": "/"})
    except ConfigError:
        return
    rows = explain(settings, config, {"HOME": "/"})
    assert to_table(rows)
    assert json.loads(to_json(rows))
    assert json.loads(spell(config))
    assert all(isinstance(value, str) for value in attributes(config).values())


WORDS = st.sampled_from([f"--{option.flag}" for option in OPTIONS if option.flag]) | st.text(
    max_size=6
)


@given(st.lists(WORDS | st.builds("{}={}".format, WORDS, st.text(max_size=8)), max_size=5))
def test_any_command_line_is_read_or_refused(words: list[str]) -> None:
    with suppress(UsageError, UnicodeEncodeError):
        values = parse_flags([os.fsdecode(os.fsencode(word)) for word in words])
        assert all(isinstance(name, str) for name in values)
