"""Docker's volume plugin protocol, served by a small plugin of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.plugins import Plugin

pytestmark = pytest.mark.root

SHELF = """
def answer(verb, body):
    place = os.path.join(words[0], body.get("Name", ""))
    if verb == "Create":
        if (body.get("Opts") or {}).get("refuse"):
            return {"Err": "the shelf is full"}
        os.makedirs(place, exist_ok=True)
    elif verb == "Mount":
        return {"Err": "", "Mountpoint": place}
    elif verb == "Remove":
        if os.listdir(place):
            return {"Err": "not empty"}
        os.rmdir(place)
    return {"Err": ""}
"""


class Shelf(Plugin):
    """A plugin whose volumes are directories below `place`."""

    def __init__(self, daemon: Daemon) -> None:
        self.place = daemon.directory / "shelf"
        self.place.mkdir()
        super().__init__(daemon, "shelf", "VolumeDriver", SHELF, str(self.place))


@pytest.fixture
def plugged() -> Iterator[tuple[Daemon, Shelf]]:
    with Daemon() as daemon:
        plugin = Shelf(daemon)
        daemon.start()
        daemon.load_busybox()
        yield daemon, plugin
        plugin.close()


def test_volumes_of_a_plugin(plugged: tuple[Daemon, Shelf]) -> None:
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
    assert (plugin.place / "books/f").read_text() == "one\n"
    assert plugin.verbs == ["Activate", "Create", "Mount", "Unmount"]
    assert plugin.asked[2][1]["ID"] == plugin.asked[3][1]["ID"]
    # A volume made by a run, its driver named there.
    ok("run", "--rm", "-v", "more:/b", "--volume-driver", "shelf", "busybox", "true")
    assert (plugin.place / "more").is_dir()
    told = daemon.docker("volume", "create", "-d", "shelf", "-o", "refuse=1", "full")
    assert "the shelf is full" in told.stderr
    told = daemon.docker("volume", "create", "-d", "nobody", "lost")
    assert 'plugin "nobody" not found' in told.stderr
    told = daemon.docker("volume", "create", "books")
    assert "volume name must be unique" in told.stderr
    # The plugin keeps what it does not want to lose, and so does the engine.
    assert "not empty" in daemon.docker("volume", "rm", "books").stderr
    (plugin.place / "books/f").unlink()
    ok("volume", "rm", "books", "more")
    assert list(plugin.place.iterdir()) == []


def test_a_plugin_that_is_gone_holds_nothing_up(plugged: tuple[Daemon, Shelf]) -> None:
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
