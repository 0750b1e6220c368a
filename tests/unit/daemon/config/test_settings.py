"""Flags against the file: conflicts in dockerd's words, what is joined, where values come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharfie.daemon.config import DOCKERD, WHARFIED, ConfigError, Places
from wharfie.daemon.config.flags import parse_flags
from wharfie.daemon.config.settings import Settings, gather


def together(
    tmp_path: Path, content: str, *flags: str, places: Places = WHARFIED, **environment: str
) -> Settings:
    path = tmp_path / "daemon.json"
    path.write_text(content)
    return gather(parse_flags([*flags, "--config-file", str(path)]), places, environment)


def test_hosts_given_twice_are_refused_in_dockers_words_and_the_remedy_named(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as caught:
        together(tmp_path, '{\n  "hosts": ["tcp://127.0.0.1:2375"]}', "-H", "fd://", places=DOCKERD)
    first, *rest = str(caught.value).split("\n")
    assert first == (
        f"unable to configure the Docker daemon with file {tmp_path}/daemon.json: the following "
        "directives are specified both as a flag and in the configuration file: hosts: (from "
        "flag: [fd://], from file: [tcp://127.0.0.1:2375])"
    )
    remedy = "\n".join(rest)
    assert f'"hosts" in {tmp_path}/daemon.json, line 2, column 12' in remedy
    assert '"merge-hosts": true' in remedy
    assert "/etc/systemd/system/docker.service.d/hosts.conf" in remedy
    assert "ExecStart=\n" in remedy
    assert "systemctl daemon-reload && systemctl restart docker" in remedy


@pytest.mark.parametrize(
    ("content", "flags", "conflict"),
    [
        (
            '{"hosts":["tcp://127.0.0.1:1"], "debug":false}', ("-H", "fd://", "-D"),
            "debug: (from flag: true, from file: false), "
            "hosts: (from flag: [fd://], from file: [tcp://127.0.0.1:1])",
        ),
        (
            '{"log-opts":{"a":"b"}}', ("--log-opt", "c=d"),
            "log-opts: (from flag: map[c:d], from file: map[a:b])",
        ),
        (
            '{"proxies":{"http-proxy":"http://a:b@x"}}', ("--http-proxy", "http://c:d@e"),
            "http-proxy: (from flag: http://xxxxx:xxxxx@e, from file: http://xxxxx:xxxxx@x)",
        ),
    ],
)  # fmt: skip
def test_conflicts_are_spelt_as_dockerd_spells_them(
    tmp_path: Path, content: str, flags: tuple[str, ...], conflict: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        together(tmp_path, content, *flags)
    assert str(caught.value).split("\n")[0].endswith(f"in the configuration file: {conflict}")


def test_merge_hosts_joins_what_would_conflict(tmp_path: Path) -> None:
    content = '{"merge-hosts": true, "hosts": ["tcp://127.0.0.1:2375", "fd://"]}'
    found = together(tmp_path, content, "-H", "fd://")
    assert found.values["hosts"] == ["fd://", "tcp://127.0.0.1:2375"]
    assert found.given["hosts"].source == f"flag --host, {tmp_path}/daemon.json:1"


def test_merge_hosts_false_still_refuses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="specified both as a flag"):
        together(tmp_path, '{"merge-hosts": false, "hosts": ["tcp://a"]}', "-H", "fd://")


def test_runtimes_of_file_and_flag_are_joined(tmp_path: Path) -> None:
    found = together(tmp_path, '{"runtimes": {"a": {"path": "/a"}}}', "--add-runtime", "b=/b")
    assert found.values["runtimes"] == {"a": {"path": "/a"}, "b": {"path": "/b"}}


def test_sources_are_named(tmp_path: Path) -> None:
    found = together(
        tmp_path, '{\n\n"mtu": 1400}', "-D", HTTPS_PROXY="http://p", DOCKER_MIN_API_VERSION="1.30"
    )
    assert found.given["mtu"].source == f"{tmp_path}/daemon.json:3"
    assert found.given["debug"].source == "flag --debug"
    assert found.given["https-proxy"].source == "environment HTTPS_PROXY"
    assert found.given["min-api-version"].source == "environment DOCKER_MIN_API_VERSION"


def test_flags_and_file_are_stronger_than_the_environment(tmp_path: Path) -> None:
    found = together(tmp_path, '{"min-api-version": "1.40"}', DOCKER_MIN_API_VERSION="1.30")
    assert found.values["min-api-version"] == "1.40"
