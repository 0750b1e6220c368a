"""CDI specifications and names."""

from __future__ import annotations

import json

import pytest

from wharfie.formats.cdi import CdiError, parse_cdi, split_name

SPEC = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/gpu",
    "containerEdits": {"env": ["A=1"], "hooks": None},
    "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}]}}],
}


def test_json_and_yaml_say_the_same() -> None:
    yaml = (
        "cdiVersion: 0.6.0\nkind: vendor.com/gpu\ncontainerEdits:\n  env:\n  - A=1\n"
        'devices:\n- name: "0"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/null\n'
    )
    spec = parse_cdi(json.dumps(SPEC).encode(), is_json=True)
    assert spec == parse_cdi(yaml.encode(), is_json=False)
    assert spec.devices[0].container_edits.device_nodes[0].path == "/dev/null"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"cdiVersion": "1", "kind": "nokind"}', b"\xff", b'{"kind": 1}']
)
def test_anything_else_is_refused(data: bytes) -> None:
    for is_json in (True, False):
        with pytest.raises(CdiError):
            parse_cdi(data, is_json=is_json)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vendor.com/gpu=0", ("vendor.com/gpu", "0")),
        ("vendor.com/gpu=a:b.c", ("vendor.com/gpu", "a:b.c")),
        ("vendor.com/gpu", None),
        ("/dev/null", None),
        ("vendor.com/gpu=../x", None),
    ],
)
def test_names(name: str, expected: tuple[str, str] | None) -> None:
    assert split_name(name) == expected
