"""Containers in scopes of systemd; runs on a machine with cgroup v2 that systemd has booted.

The daemon shares the machine's PID namespace, for systemd to know the processes it is told of, and
has a network namespace of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, UnixConnection
from wharfie.engine.images.making.default_image import build_archive, find_busybox

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (V2 and Path("/run/systemd/system").is_dir()), reason="no systemd over cgroup v2"
    ),
    pytest.mark.timeout(600),
]


class Host:
    """A daemon on this machine's own systemd."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="wsd-", dir="/tmp"))
        self.socket = self.directory / "d.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        place = self.directory
        (place / "none.json").write_text("{}")
        with (place / "d.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", str(BIN / "wharfied"), "-H", f"unix://{self.socket}",
                 "--data-root", str(place / "data"), "--exec-root", str(place / "exec"),
                 "--pidfile", str(place / "d.pid"), "--config-file", str(place / "none.json"),
                 *flags],
                stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (place / "d.log").read_text()
            with contextlib.suppress(OSError):
                self.request("GET", "/_ping")
                return
            time.sleep(0.1)
        raise TimeoutError((place / "d.log").read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)

    def request(self, method: str, path: str, body: object = None) -> object:
        with contextlib.closing(UnixConnection(self.socket, 120)) as connection:
            if isinstance(body, bytes):
                connection.request(method, path, body, {"Content-Type": "application/x-tar"})
            else:
                data = None if body is None else json.dumps(body)
                connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            reply = response.read()
        assert response.status < 300, (path, response.status, reply)
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(reply) if reply and is_json else None

    def create(self, *command: str, **host: object) -> str:
        body = {"Image": "busybox", "Cmd": command, "HostConfig": {"NetworkMode": "none", **host}}
        made = self.request("POST", "/containers/create", body)
        assert isinstance(made, dict)
        return str(made["Id"])

    def inspect(self, ref: str) -> dict[str, object]:
        found = self.request("GET", f"/containers/{ref}/json")
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    made = Host()
    try:
        made.start()
        archive = made.directory / "busybox.tar"
        archive.write_bytes(build_archive(find_busybox(), "busybox:latest"))
        made.request("POST", "/images/load?quiet=1", archive.read_bytes())
        yield made
    finally:
        with contextlib.suppress(OSError, AssertionError):
            for container in made.request("GET", "/containers/json?all=1"):  # type: ignore[attr-defined]
                made.request("DELETE", f"/containers/{container['Id']}?force=1")
            made.stop()
        shutil.rmtree(made.directory, ignore_errors=True)


def group(container_id: str, parent: str = "system.slice") -> Path:
    return Path(f"/sys/fs/cgroup/{parent}/docker-{container_id}.scope")


def test_b189_a_container_is_a_scope_with_its_limits(host: Host) -> None:
    info = host.request("GET", "/info")
    assert isinstance(info, dict)
    assert (info["CgroupDriver"], info["CgroupVersion"]) == ("systemd", "2")
    made = host.create("sleep", "300", Memory=64 << 20, PidsLimit=50, NanoCpus=500_000_000)
    host.request("POST", f"/containers/{made}/start")
    pid = host.inspect(made)["State"]["Pid"]  # type: ignore[index, call-overload]
    assert str(pid) in (group(made) / "cgroup.procs").read_text().split()
    assert (group(made) / "memory.max").read_text().strip() == str(64 << 20)
    assert (group(made) / "pids.max").read_text().strip() == "50"
    assert (group(made) / "cpu.max").read_text().split()[0] == "50000"
    shown = subprocess.run(["systemctl", "is-active", f"docker-{made}.scope"],
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert shown.stdout.strip() == "active"
    host.request("POST", f"/containers/{made}/update", {"Memory": 96 << 20, "MemorySwap": 96 << 20})
    assert (group(made) / "memory.max").read_text().strip() == str(96 << 20)
    host.request("POST", f"/containers/{made}/pause")
    assert "frozen 1" in (group(made) / "cgroup.events").read_text()
    host.request("POST", f"/containers/{made}/unpause")
    top = host.request("GET", f"/containers/{made}/top")
    assert any("sleep 300" in " ".join(row) for row in top["Processes"])  # type: ignore[index, call-overload]
    stats = host.request("GET", f"/containers/{made}/stats?stream=false&one-shot=true")
    assert stats["memory_stats"]["limit"] == 96 << 20  # type: ignore[index, call-overload]
    host.request("POST", f"/containers/{made}/kill")
    assert not group(made).exists()
    host.request("POST", f"/containers/{made}/start")
    host.request("DELETE", f"/containers/{made}?force=1")
    assert not group(made).exists()


def test_b067_b189_a_scope_that_ran_out_of_memory_starts_again(host: Host) -> None:
    made = host.create("dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1",
                       Memory=32 << 20, MemorySwap=32 << 20)  # fmt: skip
    for _ in range(2):
        host.request("POST", f"/containers/{made}/start")
        host.request("POST", f"/containers/{made}/wait")
        state = host.inspect(made)["State"]
        assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)  # type: ignore[index, call-overload]
    host.request("DELETE", f"/containers/{made}")


def test_b189_a_scope_outlives_a_killed_daemon(host: Host) -> None:
    made = host.create("sleep", "300", CgroupParent="wharfie-test.slice")
    host.request("POST", f"/containers/{made}/start")
    place = group(made, "wharfie.slice/wharfie-test.slice")
    assert place.is_dir()
    host.stop(signal.SIGKILL)
    host.start("--exec-opt", "native.cgroupdriver=cgroupfs")
    state = host.inspect(made)["State"]
    assert state["Running"]  # type: ignore[index, call-overload]
    os.kill(state["Pid"], 0)  # type: ignore[index, call-overload]
    other = host.create("sleep", "300")
    host.request("POST", f"/containers/{other}/start")
    assert Path(f"/sys/fs/cgroup/docker/{other}").is_dir()
    for ref in (made, other):
        host.request("DELETE", f"/containers/{ref}?force=1")
    assert not place.exists()
