"""Units and samples: what seeds D1, D2, D10–D13 need, and that packaging/ is what is installed."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

from wharfie.cli.installation.units import service_unit, socket_unit, tcp_socket_unit
from wharfie.daemon.config.flags import parse_flags

PACKAGING = Path(__file__).parents[4] / "packaging"


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        ("docker.service", service_unit("docker", "/usr/bin/dockerd")),
        ("docker.socket", socket_unit()),
        ("docker-tcp.socket", tcp_socket_unit("docker")),
        ("wharfie.service", service_unit("wharfie", "/usr/bin/wharfied")),
        ("wharfie.socket", socket_unit()),
    ],
)
def test_samples_are_what_is_installed(sample: str, text: str) -> None:
    assert (PACKAGING / "systemd" / sample).read_text() == text


def parsed(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign] # the documented way
    found.read_string(text)
    return found


def test_the_service_is_shaped_like_dockers() -> None:
    service = parsed(service_unit("docker", "/usr/bin/dockerd"))["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"].startswith("/usr/bin/dockerd -H fd://")
    assert service["ExecReload"] == "/bin/kill -s HUP $MAINPID"
    assert service["KillMode"] == "process"
    assert service["Delegate"] == "yes"
    assert service["Restart"] == "always"
    assert service["RestartSec"] == "2"


def test_options_come_from_debians_and_fedoras_files() -> None:
    text = service_unit("docker", "/usr/bin/dockerd")
    assert "EnvironmentFile=-/etc/default/docker\n" in text
    assert "EnvironmentFile=-/etc/sysconfig/docker\n" in text
    assert "$DOCKER_OPTS $OPTIONS\n" in text


def test_the_tcp_socket_is_coreoss() -> None:
    unit = parsed(tcp_socket_unit("docker"))
    assert dict(unit["Socket"]) == {
        "ListenStream": "2375", "BindIPv6Only": "both", "Service": "docker.service",
    }  # fmt: skip
    assert unit["Install"]["WantedBy"] == "sockets.target"


@pytest.mark.parametrize(
    "script", ["sysvinit/docker", "sysvinit/default", "openrc/docker.initd", "openrc/docker.confd"]
)
def test_scripts_are_valid_shell(script: str) -> None:
    subprocess.run(["sh", "-n", PACKAGING / script], check=True)


def test_the_sample_options_are_options_we_know() -> None:
    for line in (PACKAGING / "sysvinit/sysconfig").read_text().splitlines():
        _, sign, value = line.partition("OPTIONS=")
        if sign:
            assert parse_flags(value.split())
