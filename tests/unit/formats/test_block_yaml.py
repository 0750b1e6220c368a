"""The understood part of YAML."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.block_yaml import YamlError, parse_located_yaml, parse_yaml

NVIDIA = """\
---
cdiVersion: 0.5.0   # of the format
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  hooks:
  - args:
    - nvidia-cdi-hook
    - "create-symlinks"
    hookName: createContainer
    path: '/usr/bin/it''s'
  mounts:
    - containerPath: /lib/a:b.so
      hostPath: /lib/a.so
      options: [ro, nosuid, "bind"]
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      major: 195
      fileMode: 0o666
      permissions: rw
  name: "0"
-
  name: all
  containerEdits: {}
kind: nvidia.com/gpu
empty:
negative: -5
ratio: 1.5
on: true
"""


def test_a_file_as_programs_write_it() -> None:
    assert parse_yaml(NVIDIA) == {
        "cdiVersion": "0.5.0",
        "containerEdits": {
            "deviceNodes": [{"path": "/dev/nvidiactl"}],
            "hooks": [
                {
                    "args": ["nvidia-cdi-hook", "create-symlinks"],
                    "hookName": "createContainer",
                    "path": "/usr/bin/it's",
                }
            ],
            "mounts": [
                {
                    "containerPath": "/lib/a:b.so",
                    "hostPath": "/lib/a.so",
                    "options": ["ro", "nosuid", "bind"],
                }
            ],
        },
        "devices": [
            {
                "containerEdits": {
                    "deviceNodes": [
                        {
                            "path": "/dev/nvidia0",
                            "major": 195,
                            "fileMode": 0o666,
                            "permissions": "rw",
                        }
                    ]
                },
                "name": "0",
            },
            {"name": "all", "containerEdits": {}},
        ],
        "kind": "nvidia.com/gpu",
        "empty": None,
        "negative": -5,
        "ratio": 1.5,
        "on": True,
    }


@pytest.mark.parametrize(
    "text",
    ["a: &x 1", "a: *x", "a: |\n  text", "a: {b: c", "a: {b}", "a: {b: c} d",
     "a: {b: 1, b: 2}", "a: [b", "a: {b: &x}", "a: [b c: d]", "a: [b]]", "a: {[b]: c}",
     "a: [,]", "a: {,}", "a: ['b]", "a: !!str 1", "\ta: 1", "a: 1\n   b: 2",
     "a: 1\na: 2", 'a: "open', "a: 'open", "a: 1\n---\nb: 2", 'a: "\\q"'],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match=r"line \d+"):
        parse_yaml(text)


def test_depth_is_bounded() -> None:
    with pytest.raises(YamlError, match="deep"):
        parse_yaml("- " * 500 + "x")


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        json.dumps(parse_yaml(text))
    except YamlError:
        return


def test_the_lines_of_members_and_items_are_told() -> None:
    found = parse_located_yaml(
        "# head\n\nhttp:\n  addr: :5000\n\n  tls:\n  - one\n  - name: x\n    url: y\nlast:\n"
    )
    assert found.value == {
        "http": {"addr": ":5000", "tls": ["one", {"name": "x", "url": "y"}]},
        "last": None,
    }
    assert found.lines == {
        (): 3,
        ("http",): 3,
        ("http", "addr"): 4,
        ("http", "tls"): 6,
        ("http", "tls", "0"): 7,
        ("http", "tls", "1"): 8,
        ("http", "tls", "1", "name"): 8,
        ("http", "tls", "1", "url"): 9,
        ("last",): 10,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}), ("[]", []), ("{ }", {}), ("[ a , b ]", ["a", "b"]),
        ("[1, [2, {a: b}]]", [1, [2, {"a": "b"}]]),
        ("{a: 1, b: x y, c: 'q, r', d: }", {"a": 1, "b": "x y", "c": "q, r", "d": None}),
        ("{addr: :5000, url: http://h:1/p?q=r}", {"addr": ":5000", "url": "http://h:1/p?q=r"}),
        ("{repositories: team/**, tags: 'v[0-9]+', on: true}  # note",
         {"repositories": "team/**", "tags": "v[0-9]+", "on": True}),
        ('["a: b", "#", x#y]', ["a: b", "#", "x#y"]),
        ("{X-Two: [a, b], X: [c]}", {"X-Two": ["a", "b"], "X": ["c"]}),
        ("[a,]", ["a"]),
    ],
)  # fmt: skip
def test_collections_on_one_line(text: str, value: object) -> None:
    assert parse_yaml(f"k: {text}") == {"k": value}
    assert parse_yaml(f"- {text}") == [value]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_what_json_writes_on_one_line_is_read(value: object) -> None:
    try:
        text = json.dumps({"k": value}, ensure_ascii=False)
        found = parse_yaml(text)
    except YamlError:
        return  # escapes that only JSON has, separators of lines
    assert found == {"k": value}
