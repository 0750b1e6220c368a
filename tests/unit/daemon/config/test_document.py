"""The config file's refusals, in dockerd's words, with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharfie.daemon.config import ConfigError
from wharfie.daemon.config.document import decode_document, read_document

# What dockerd 28.5.2 says after "unable to configure the Docker daemon with file …: " (measured).
WORDS = [
    (
        '{"debug": true,}',
        "invalid JSON: invalid character '}' looking for beginning of object key string "
        "(line 1, column 16)",
    ),
    (
        '["debug"]',
        "invalid JSON: json: cannot unmarshal array into Go value of type "
        "map[string]interface {} (line 1, column 1)",
    ),
    (
        '{"debug": "x"}',
        "invalid JSON: json: cannot unmarshal string into Go struct field Config.debug of type "
        "bool (line 1, column 11)",
    ),
    (
        '{\n"mtu": 1.5}',
        "invalid JSON: json: cannot unmarshal number 1.5 into Go struct field Config.mtu of "
        "type int (line 2, column 8)",
    ),
    (
        '{"mtu": true}',
        "invalid JSON: json: cannot unmarshal bool into Go struct field Config.mtu of type int "
        "(line 1, column 9)",
    ),
    ('{"dns":["x"]}', "invalid JSON: invalid IP address: x (line 1, column 8)"),
    ('{"ip":"x"}', "invalid JSON: invalid IP address: x (line 1, column 7)"),
    ('{"default-shm-size":"x"}', "invalid JSON: invalid size: 'x' (line 1, column 21)"),
]


@pytest.mark.parametrize(("content", "message"), WORDS)
def test_a_bad_file_is_refused_in_dockerds_words(content: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_document("/d.json", content.encode())
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "content",
    [
        '{"hosts": [1]}',
        '{"log-opts": {"max-size": 3}}',
        '{"features": {"a": "b"}}',
        '{"runtimes": {"a": "/a"}}',
        '{"runtimes": {"a": {"runtimeArgs": "x"}}}',
        '{"default-ulimits": {"nofile": "1:2"}}',
        '{"default-address-pools": [{"base": "10.0.0.0/8", "size": "24"}]}',
        '{"default-network-opts": {"bridge": "x"}}',
        '{"builder": []}',
    ],
)
def test_a_value_of_another_type_is_refused(content: str) -> None:
    with pytest.raises(ConfigError, match=r"json: cannot unmarshal .* \(line 1, column"):
        decode_document("/d.json", content.encode())


def test_unknown_keys_are_named_together_and_placed() -> None:
    with pytest.raises(ConfigError) as caught:
        decode_document("/d.json", b'{"foo": 1,\n "registry-mirror": [], "http-proxy": "x"}')
    first, *rest = str(caught.value).split("\n")
    assert first == (
        "the following directives don't match any configuration option: foo, registry-mirror, "
        "http-proxy"
    )
    assert rest == [
        '  "foo" in /d.json, line 1, column 9',
        '  "registry-mirror" in /d.json, line 2, column 21: did you mean "registry-mirrors"?',
        '  "http-proxy" in /d.json, line 2, column 39: it belongs inside "proxies"',
    ]


def test_keys_are_told_apart_by_case() -> None:
    with pytest.raises(ConfigError, match='did you mean "debug"'):
        decode_document("/d.json", b'{"Debug": true}')


def test_grouping_objects_are_looked_into() -> None:
    found = decode_document("/d.json", b'{"proxies": {"http-proxy": "http://p"}}')
    assert found.values == {"http-proxy": "http://p"}
    with pytest.raises(ConfigError, match="option: bar"):
        decode_document("/d.json", b'{"proxies": {"bar": "http://p"}}')
    with pytest.raises(ConfigError, match="option: proxies"):
        decode_document("/d.json", b'{"proxies": 3}')


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"offset 5: encoding: invalid UTF-8 \(line 1\)"):
        decode_document("/d.json", b'{"deb\xff": 1}')


def test_only_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    path = str(tmp_path / "none.json")
    assert not read_document(path, required=False).exists
    with pytest.raises(ConfigError, match=f"open {path}: no such file or directory"):
        read_document(path, required=True)
    with pytest.raises(ConfigError, match="is a directory"):
        read_document(str(tmp_path), required=False)
