"""daemon.json and flags: precedence, conflicts, and messages in dockerd's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wharfie.daemon.config import WHARFIED, ConfigError, load_config
from wharfie.daemon.flags import UsageError, parse_flags


def written(tmp_path: Path, content: object) -> str:
    path = tmp_path / "daemon.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_without_flags_or_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load_config({"config-file": written(tmp_path, {})}, WHARFIED)
    assert config.hosts == ["unix:///var/run/docker.sock"]
    assert config.data_root == "/var/lib/wharfie"
    assert config.tls is None
    assert config.live_restore


def test_hosts_given_twice_are_refused_in_dockers_words(tmp_path: Path) -> None:
    path = written(tmp_path, {"hosts": ["tcp://127.0.0.1:2375"]})
    with pytest.raises(ConfigError) as caught:
        load_config({"config-file": path, "host": ["fd://"]}, WHARFIED)
    assert str(caught.value) == (
        f"unable to configure the Docker daemon with file {path}: the following directives are "
        "specified both as a flag and in the configuration file: hosts: (from flag: [fd://], from "
        "file: [tcp://127.0.0.1:2375])"
    )


def test_runtimes_of_file_and_flag_are_joined(tmp_path: Path) -> None:
    path = written(tmp_path, {"runtimes": {"a": {"path": "/a"}}})
    config = load_config({"config-file": path, "add-runtime": {"b": "/b"}}, WHARFIED)
    assert config.runtimes == {"a": "/a", "b": "/b"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"debug": true,}', "invalid JSON"),
        ('["debug"]', "the top level must be an object"),
        ({"nonsense": 1, "bogus": 2}, "configuration option: bogus, nonsense"),
        ({"debug": "yes"}, "the value of debug must be of type bool"),
        ({"hosts": [1]}, "the value of hosts must be of type list"),
        ({"log-opts": {"max-size": 3}}, "a value in log-opts must be a string"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, content: object, text: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match="unable to configure the Docker daemon") as caught:
        load_config({"config-file": path}, WHARFIED)
    assert path in str(caught.value)
    assert text in str(caught.value)


def test_invalid_json_names_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, '{\n  "debug": tru\n}')
    with pytest.raises(ConfigError, match="line 2, column 12"):
        load_config({"config-file": path}, WHARFIED)


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match="open /nonexistent: no such file or directory"):
        load_config({"config-file": "/nonexistent"}, WHARFIED)


def test_null_means_not_given_and_a_bom_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"data-root": null, "mtu": 1400}')
    config = load_config({"config-file": str(path)}, WHARFIED)
    assert (config.data_root, config.mtu) == ("/var/lib/wharfie", 1400)


@pytest.mark.parametrize(
    ("flags", "verify"),
    [
        (["--tls"], False),
        (["--tls", "--tlscacert=/ca"], True),
        (["--tlsverify"], True),
        (["--tlsverify=false"], False),
    ],
)
def test_tls_modes(tmp_path: Path, flags: list[str], verify: bool) -> None:
    values = parse_flags([*flags, "--config-file", written(tmp_path, {})])
    config = load_config(values, WHARFIED)
    assert config.tls is not None
    assert config.tls.verify is verify
    assert config.hosts == ["tcp://localhost:2376"]


def test_flags_follow_pflags_grammar() -> None:
    values = parse_flags(
        ["-DHunix:///a", "-H", "tcp://b", "--host=c", "--debug=false", "--label", "a=b"]
    )
    assert values == {"debug": False, "host": ["unix:///a", "tcp://b", "c"], "label": ["a=b"]}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nonsense"], "unknown flag: --nonsense"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--pidfile"], "flag needs an argument: --pidfile"),
        (["--mtu=big"], 'invalid argument "big" for "--mtu" flag'),
        (["--debug=maybe"], 'invalid argument "maybe" for "--debug" flag'),
        (["start"], "accepts no arguments"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags(arguments)
    assert text in str(caught.value)
