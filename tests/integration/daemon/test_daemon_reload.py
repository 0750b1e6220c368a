"""SIGHUP on a living daemon: seeds D18, daemon.md §2."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root


class Configured:
    """A daemon with a config file of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.path = daemon.directory / "daemon.json"
        self.write({"labels": ["stage=one"]})
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(daemon.directory / "notify"))
        self.notified.settimeout(20)

    def write(self, content: object) -> None:
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))

    def start(self, *flags: str) -> None:
        self.daemon.start("--config-file", str(self.path), *flags)

    def hang_up(self, expected: str) -> None:
        """Send SIGHUP and wait until the log tells of it."""
        before = self.daemon.log().count(expected)
        os.kill(self.daemon.pid, signal.SIGHUP)
        for _ in poll(f"{expected!r} in the log"):
            if self.daemon.log().count(expected) > before:
                return

    def info(self) -> dict[str, object]:
        found = self.daemon.json("GET", "/info")
        assert isinstance(found, dict)
        return found


@pytest.fixture
def configured() -> Iterator[Configured]:
    with Daemon() as daemon:
        found = Configured(daemon)
        yield found
        found.notified.close()


def test_labels_and_debug_change_with_event_and_log_line(configured: Configured) -> None:
    configured.start()
    daemon = configured.daemon
    assert configured.info()["Labels"] == ["stage=one"]
    configured.write({"labels": ["stage=two"], "debug": True, "default-shm-size": "16m"})
    configured.hang_up("Reloaded configuration: ")
    info = configured.info()
    assert info["Labels"] == ["stage=two"]
    assert info["Debug"] is True
    assert "Got signal to reload configuration" in daemon.log()
    assert "handling GET request" in daemon.log()
    query = f"since={int(time.time()) - 60}&until={int(time.time()) + 1}"
    _, body = daemon.request("GET", f"/events?{query}&filters=" + quote('{"type":["daemon"]}'))
    event = json.loads(body.splitlines()[-1])
    assert event["Action"] == "reload"
    assert event["Actor"]["ID"] == info["ID"]
    assert event["Actor"]["Attributes"]["labels"] == '["stage=two"]'
    assert event["Actor"]["Attributes"]["name"] == info["Name"]


def test_new_containers_get_the_new_defaults_and_running_ones_keep_theirs(
    configured: Configured,
) -> None:
    configured.start()
    daemon = configured.daemon
    daemon.load_busybox()
    daemon.docker("run", "-d", "--name", "old", "busybox", "sleep", "1000")
    configured.write({"default-shm-size": "16m", "default-stop-timeout": 0})
    configured.hang_up("Reloaded configuration: ")
    shown = daemon.docker("run", "--rm", "busybox", "df", "-k", "/dev/shm").stdout
    assert shown.split("\n")[1].split()[1] == "16384"
    old = daemon.docker("exec", "old", "df", "-k", "/dev/shm").stdout
    assert old.split("\n")[1].split()[1] == "65536"
    # sleep as pid 1 ignores SIGTERM: without grace it is gone at once.
    assert daemon.docker("stop", "old", timeout=5).returncode == 0


def test_a_mistake_is_logged_and_everything_goes_on_as_before(configured: Configured) -> None:
    configured.start()
    for content, message in (
        ('{"labels": ["stage=two"],}', "looking for beginning of object key string (line 1, col"),
        ({"labels": ["stage=two"], "default-runtime": "nope"}, 'default runtime \\"nope\\" does'),
        ({"labels": ["stage=two"], "live-restor": True}, 'did you mean \\"live-restore\\"'),
    ):
        configured.write(content)
        configured.hang_up(message)
        assert configured.info()["Labels"] == ["stage=one"]
    assert "level=error" in configured.daemon.log()
    assert "Reloaded configuration" not in configured.daemon.log()


def test_the_service_manager_hears_of_start_reload_and_end(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(configured.daemon.directory / "notify"))
    configured.start()

    def heard() -> str:
        return configured.notified.recv(4096).decode().split("\n")[0]

    assert heard() == "STATUS=Loading containers"
    assert heard() == "READY=1"
    configured.write("{")
    configured.hang_up("unexpected end of JSON input")
    assert heard() == "RELOADING=1"
    # systemd waits for this; a reload that failed must not keep it waiting.
    ready, status, *_ = configured.notified.recv(4096).decode().split("\n")
    assert ready == "READY=1"
    assert status.startswith("STATUS=Reload failed")
    assert configured.daemon.stop() == 0
    assert heard() == "STOPPING=1"


def test_certificates_are_read_again_and_streams_go_on() -> None:
    with Daemon(tls=True) as daemon:
        daemon.start()
        shown = (
            "openssl s_client -connect 127.0.0.1:2376 </dev/null 2>/dev/null"
            " | openssl x509 -noout -serial"
        )
        before = daemon.namespaces.run("sh", "-c", shown).stdout
        shutil.rmtree(daemon.certs)
        daemon.make_certs()
        os.kill(daemon.pid, signal.SIGHUP)
        for _ in poll("the reload"):
            if "Reloaded configuration" in daemon.log():
                break
        after = daemon.namespaces.run("sh", "-c", shown).stdout
        assert before.startswith("serial=")
        assert after.startswith("serial=")
        assert before != after
        # A key that does not belong to the certificate changes nothing.
        shutil.copy(daemon.certs / "key.pem", daemon.certs / "server-key.pem")
        os.kill(daemon.pid, signal.SIGHUP)
        for _ in poll("the refusal"):
            if "private key does not match public key" in daemon.log():
                break
        assert daemon.namespaces.run("sh", "-c", shown).stdout == after
