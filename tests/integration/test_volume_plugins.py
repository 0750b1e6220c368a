"""Docker's volume plugin protocol, served by a small plugin of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.netns import children, poll

pytestmark = pytest.mark.root

PLUGIN = """
import http.server, json, os, socketserver, sys
path, shelf = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        verb = self.path.rpartition(".")[2]
        print(verb, json.dumps(body), flush=True)
        name = body.get("Name", "")
        place = os.path.join(shelf, name)
        answer = {"Err": ""}
        if verb == "Activate":
            answer = {"Implements": ["VolumeDriver"]}
        elif verb == "Create":
            if (body.get("Opts") or {}).get("refuse"):
                answer = {"Err": "the shelf is full"}
            else:
                os.makedirs(place, exist_ok=True)
        elif verb == "Mount":
            answer["Mountpoint"] = place
        elif verb == "Remove":
            os.rmdir(place) if not os.listdir(place) else answer.update(Err="not empty")
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def address_string(self):
        return "plugin"
    def log_message(self, *_):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass
Server(path, Handler).serve_forever()
"""


class Plugin:
    """The plugin process; `asked` are the verbs it heard."""

    def __init__(self, daemon: Daemon) -> None:
        self.shelf = daemon.directory / "shelf"
        self.shelf.mkdir()
        self._log = daemon.directory / "plugin.log"
        run = daemon.namespaces.check
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("mkdir", "-p", "/run/docker/plugins")
        path = "/run/docker/plugins/shelf.sock"
        command = daemon.namespaces.command(sys.executable, "-c", PLUGIN, path, str(self.shelf))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in poll("the plugin to listen"):
            if daemon.namespaces.run("test", "-S", path).returncode == 0:
                break

    @property
    def asked(self) -> list[tuple[str, dict]]:
        lines = self._log.read_text().splitlines()
        return [(verb, json.loads(body)) for verb, _, body in (one.partition(" ") for one in lines)]

    def close(self) -> None:
        for pid in children(self._process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=True)
        self._process.wait()


@pytest.fixture
def plugged() -> Iterator[tuple[Daemon, Plugin]]:
    with Daemon() as daemon:
        plugin = Plugin(daemon)
        daemon.start()
        daemon.load_busybox()
        yield daemon, plugin
        plugin.close()


def test_volumes_of_a_plugin(plugged: tuple[Daemon, Plugin]) -> None:
    daemon, plugin = plugged

    def ok(*arguments: str) -> str:
        done = daemon.docker(*arguments)
        assert done.returncode == 0, (arguments, done.stderr, plugin.asked)
        return done.stdout

    ok("volume", "create", "-d", "shelf", "-o", "colour=red", "books")
    assert plugin.asked[:2] == [
        ("Activate", {}),
        ("Create", {"Name": "books", "Opts": {"colour": "red"}}),
    ]
    assert json.loads(ok("volume", "inspect", "books"))[0]["Driver"] == "shelf"
    ok("run", "--rm", "-v", "books:/b", "busybox", "sh", "-c", "echo one > /b/f")
    assert (plugin.shelf / "books/f").read_text() == "one\n"
    verbs = [verb for verb, _ in plugin.asked]
    assert verbs == ["Activate", "Create", "Mount", "Unmount"]
    assert plugin.asked[2][1]["ID"] == plugin.asked[3][1]["ID"]
    # A volume made by a run, its driver named there.
    ok("run", "--rm", "-v", "more:/b", "--volume-driver", "shelf", "busybox", "true")
    assert (plugin.shelf / "more").is_dir()
    told = daemon.docker("volume", "create", "-d", "shelf", "-o", "refuse=1", "full")
    assert "the shelf is full" in told.stderr
    told = daemon.docker("volume", "create", "-d", "nobody", "lost")
    assert 'plugin "nobody" not found' in told.stderr
    told = daemon.docker("volume", "create", "books")
    assert "volume name must be unique" in told.stderr
    # The plugin keeps what it does not want to lose, and so does the engine.
    assert "not empty" in daemon.docker("volume", "rm", "books").stderr
    (plugin.shelf / "books/f").unlink()
    ok("volume", "rm", "books", "more")
    assert list(plugin.shelf.iterdir()) == []


def test_a_plugin_that_is_gone_holds_nothing_up(plugged: tuple[Daemon, Plugin]) -> None:
    daemon, plugin = plugged
    assert daemon.docker("volume", "create", "-d", "shelf", "books").returncode == 0
    run = ("run", "-d", "--name", "reader", "-v", "books:/b", "busybox", "sleep", "600")
    assert daemon.docker(*run).returncode == 0
    plugin.close()
    assert daemon.docker("rm", "-f", "reader").returncode == 0
    told = daemon.docker("run", "--rm", "-v", "books:/b", "busybox", "true")
    assert "plugin at /run/docker/plugins/shelf.sock" in told.stderr
    assert daemon.docker("run", "--rm", "busybox", "true").returncode == 0


def test_specs_name_sockets(tmp_path: Path) -> None:
    from wharfie.drivers.plugins import find_plugin  # noqa: PLC0415

    (tmp_path / "one.spec").write_text("unix:///run/one.sock\n")
    (tmp_path / "two.json").write_text(json.dumps({"Name": "two", "Addr": "unix:///run/two.sock"}))
    (tmp_path / "far.spec").write_text("tcp://192.0.2.1:80\n")
    assert find_plugin("one", [str(tmp_path)]) == "/run/one.sock"
    assert find_plugin("two:latest", [str(tmp_path)]) == "/run/two.sock"
    for name in ("far", "none", "../one", "a/b"):
        assert find_plugin(name, [str(tmp_path)]) is None
