"""Devices given to real containers: by path, by cgroup rule, by CDI specification."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def cdi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    directory = tmp_path_factory.mktemp("cdi")
    with Daemon("--cdi-spec-dir", str(directory)) as daemon:
        daemon.start()
        daemon.load_busybox()
        yield daemon, directory


def create_with(daemon: Daemon, *names: str, driver: str = "cdi") -> tuple[int, dict[str, str]]:
    script = "ls -l /dev/mine; echo $VENDOR $COMMON; cat /given; cat /hooked 2>/dev/null; true"
    body = {
        "Image": "busybox",
        "Cmd": ["sh", "-c", script],
        "HostConfig": {"DeviceRequests": [{"Driver": driver, "DeviceIDs": names}]},
    }
    status, reply = daemon.request("POST", "/containers/create", body)
    return status, json.loads(reply)


def test_cdi_devices_from_files_of_both_kinds(cdi: tuple[Daemon, Path], tmp_path: Path) -> None:
    daemon, directory = cdi
    (tmp_path / "given").write_text("library\n")
    (directory / "vendor.yaml").write_text(
        "cdiVersion: 0.6.0\nkind: vendor.com/thing\n"
        "containerEdits:\n  env:\n  - COMMON=all\n"
        'devices:\n- name: "0"\n  containerEdits:\n    env: [VENDOR=zero]\n    deviceNodes:\n'
        "    - path: /dev/mine\n      hostPath: /dev/zero\n      permissions: r\n    mounts:\n"
        f"    - hostPath: {tmp_path}/given\n      containerPath: /given\n"
        "      options: [ro, bind]\n"
    )
    (directory / "broken.yaml").write_text("kind: |\n  x\n")
    status, made = create_with(daemon, "vendor.com/thing=0")
    assert status == 201, made
    done = daemon.docker("start", "-a", made["Id"])
    lines = done.stdout.splitlines()
    assert lines[0].startswith("crw-rw-rw-"), done
    assert lines[1:] == ["zero all", "library"]
    daemon.docker("rm", made["Id"])
    assert "broken.yaml is not read: line 1" in daemon.log()
    (directory / "vendor.yaml").unlink()
    status, made = create_with(daemon, "vendor.com/thing=0")
    failed = daemon.docker("start", made["Id"])
    assert "unresolvable CDI devices vendor.com/thing=0" in failed.stderr
    daemon.docker("rm", made["Id"])


def test_b049_a_driver_that_is_not_there_is_refused(cdi: tuple[Daemon, Path]) -> None:
    daemon, _ = cdi
    body = {
        "Image": "busybox",
        "Cmd": ["true"],
        "HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]},
    }
    status, reply = daemon.request("POST", "/containers/create", body)
    assert status >= 400
    text = 'could not select device driver "" with capabilities: [[gpu]]'
    assert json.loads(reply)["message"] == text


@pytest.mark.parametrize(
    ("flags", "script", "expected"),
    [
        (["--device", "NODE:/dev/nil:w"], "(: > /dev/nil) && echo open", "open"),
        (["--device", "NODE:/dev/nil:r"], "(: > /dev/nil) 2>/dev/null || echo closed", "closed"),
        (["--device-cgroup-rule", "c 1:11 rw"], "mknod /k c 1 11 && : > /k && echo open", "open"),
        ([], "mknod /k c 1 11 && (: > /k) 2>/dev/null || echo closed", "closed"),
    ],
)
def test_b183_device_access(
    shared_daemon: Daemon, tmp_path: Path, flags: list[str], script: str, expected: str
) -> None:
    node = tmp_path / "kmsg"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 11))
    given = [flag.replace("NODE", str(node)) for flag in flags]
    done = shared_daemon.docker("run", "--rm", *given, "busybox", "sh", "-c", script)
    assert done.stdout.strip() == expected, done.stderr
