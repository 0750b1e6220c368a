"""Many pulls and removals at once, a disk that is full, limits, reload: the daemon as a whole."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.daemon import Daemon, UnixConnection
from support.image_archives import tar
from support.netns import poll
from support.registry import Registry
from support.registry_inside import busybox_layer, registry_inside

pytestmark = pytest.mark.root


@pytest.fixture
def registry(daemon: Daemon) -> Iterator[Registry]:
    with registry_inside(daemon) as registry:
        yield registry


def pull(daemon: Daemon, ref: str) -> str:
    """Pull; the error in the stream, "" for none."""
    name, _, tag = ref.rpartition(":")
    path = f"/images/create?fromImage={name}&tag={tag}"
    status, body = daemon.request("POST", path, timeout=110)
    if status != 200:
        return str(json.loads(body)["message"])
    return str(json.loads(body.splitlines()[-1]).get("error", ""))


def build(daemon: Daemon, number: int, base: str) -> str:
    """Build an image of two layers on a base; the error in the stream, "" for none."""
    dockerfile = f"FROM {base}\nCOPY own /own\nRUN echo built-{number} > /built\n"
    context = tar({"Dockerfile": dockerfile.encode(), "own": b"build %d" % number})
    kind = {"Content-Type": "application/x-tar"}
    with contextlib.closing(UnixConnection(daemon.socket, 110)) as connection:
        connection.request("POST", f"/build?t=built:{number}", context, kind)
        reply = connection.getresponse()
        body = reply.read()
    if reply.status != 200:
        return body.decode()
    return str(json.loads(body.splitlines()[-1]).get("error", ""))


def names(daemon: Daemon) -> set[str]:
    images = daemon.json("GET", "/images/json")
    return {tag for image in images for tag in image["RepoTags"]}  # type: ignore[attr-defined]


def test_pulls_removals_builds_and_prunes_at_once_lose_nothing(
    daemon: Daemon, registry: Registry
) -> None:
    daemon.load_busybox("base:1")
    base = busybox_layer()
    shared = tar({f"shared{number}": b"%d" % number for number in range(50)})
    for number in range(32):
        own = tar({"own": b"%d" % number})
        registry.add_image("app", str(number), [base, shared, own])
    name = f"{registry.host}/app"
    for number in range(16):
        assert pull(daemon, f"{name}:{number}") == ""

    def remove(number: int) -> str:
        status, body = daemon.request("DELETE", f"/images/{name}:{number}")
        return "" if status == 200 else body.decode()

    def prune(_: int) -> str:
        status, body = daemon.request("POST", "/images/prune")
        return "" if status in (200, 409) else body.decode()

    with ThreadPoolExecutor(40) as crowd:
        work = [crowd.submit(pull, daemon, f"{name}:{number}") for number in range(16, 32)]
        work += [crowd.submit(remove, number) for number in range(16)]
        work += [crowd.submit(build, daemon, number, "base:1") for number in range(8)]
        work += [crowd.submit(prune, number) for number in range(8)]
        assert {done.result() for done in work} == {""}
    pulled = {f"{name}:{number}" for number in range(16, 32)}
    built = {f"built:{number}" for number in range(8)}
    assert names(daemon) == pulled | built | {"base:1"}
    check = daemon.wharfie("system", "check")
    assert check.returncode == 0, check.stdout + check.stderr
    daemon.restart()
    for number in (16, 31):
        ran = daemon.docker("run", "--rm", f"{name}:{number}", "cat", "/own")
        assert ran.stdout == str(number), ran.stderr
    for number in range(8):
        ran = daemon.docker("run", "--rm", f"built:{number}", "cat", "/own", "/built")
        assert ran.stdout == f"build {number}built-{number}\n", ran.stderr
    assert not list((daemon.data_root / "content/partial").iterdir())


@pytest.fixture
def small_disk() -> Iterator[Daemon]:
    """A daemon whose data are on a file system of 48 MiB."""
    with Daemon() as own:
        own.data_root.mkdir()
        own.namespaces.check("mount", "-t", "tmpfs", "-o", "size=48m", "none", str(own.data_root))
        own.start()
        yield own


def test_a_full_disk_gives_a_clear_error_and_loses_nothing(small_disk: Daemon) -> None:
    daemon = small_disk
    with registry_inside(daemon) as registry:
        noise = random.Random(8).randbytes(40 << 20)
        large = tar({"large": noise})
        registry.add_image("large", "1", [large], blobs=[gzip.compress(large, 0)])
        registry.add_image("app", "1", [busybox_layer()])
        app = f"{registry.host}/app:1"
        assert pull(daemon, app) == ""
        for _ in range(2):
            assert "no space left on device" in pull(daemon, f"{registry.host}/large:1").lower()
            assert names(daemon) == {app}
        ran = daemon.docker("run", "--rm", app, "echo", "up")
        assert ran.stdout == "up\n", ran.stderr
        # What came of it is kept for another try, and given back when asked for.
        status, body = daemon.request("POST", "/images/prune")
        assert status == 200
        assert json.loads(body)["SpaceReclaimed"] > 10 << 20
        registry.add_image("app", "2", [busybox_layer(), tar({"x": noise[: 10 << 20]})])
        assert pull(daemon, f"{registry.host}/app:2") == ""


def test_limits_against_bombs_are_flags() -> None:
    with Daemon("--unpack-size", "8m", "--unpack-entries", "100", "--unpack-ratio", "50") as daemon:
        daemon.start()
        with registry_inside(daemon) as registry:
            cases = {
                "size": tar({"x": random.Random(9).randbytes(9 << 20)}),
                "entries": tar({f"f{number}": b"" for number in range(101)}),
                "good": tar({f"f{number}": b"x" for number in range(90)}),
            }
            for tag, layer in cases.items():
                registry.add_image("app", tag, [layer])
            assert "at most 8388608 are accepted" in pull(daemon, f"{registry.host}/app:size")
            assert "100" in pull(daemon, f"{registry.host}/app:entries")
            assert pull(daemon, f"{registry.host}/app:good") == ""
            assert names(daemon) == {f"{registry.host}/app:good"}


def test_mirrors_are_changed_by_a_reload(daemon: Daemon, registry: Registry) -> None:
    registry.add_image("library/thing", "1", [busybox_layer()])
    assert "no such host" in pull(daemon, "thing:1") or "lookup" in pull(daemon, "thing:1")
    config: Path = daemon.directory / "none.json"
    config.write_text(json.dumps({"mirrors": {"*": [f"http://{registry.host}"]}}))
    os.kill(daemon.pid, signal.SIGHUP)
    for _ in poll("the reload", 20):
        if "Reloaded configuration" in daemon.log() or pull(daemon, "thing:1") == "":
            break
    assert pull(daemon, "thing:1") == ""
    assert "thing:1" in names(daemon)


def test_a_client_that_leaves_ends_its_pull(daemon: Daemon, registry: Registry) -> None:
    large = tar({"large": random.Random(8).randbytes(40 << 20)})
    registry.add_image("app", "1", [large], blobs=[gzip.compress(large, 0)])
    reached, release = threading.Event(), threading.Event()

    def stall(handler: object) -> bool:
        wanted = handler.headers.get("Range") or ""  # type: ignore[attr-defined]
        if not wanted.startswith(f"bytes={32 << 20}-"):
            return False
        reached.set()
        release.wait(60)
        return True  # nobody is there to be answered

    registry.rules.append(stall)
    connection: http.client.HTTPConnection = UnixConnection(daemon.socket, 60)
    connection.request("POST", f"/images/create?fromImage={registry.host}/app&tag=1")
    assert reached.wait(30)
    assert connection.getresponse().status == 200
    connection.close()

    def busy() -> list[str]:
        found = []
        for path in Path(f"/proc/{daemon.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                found.append(os.readlink(path))
        return [name for name in found if "/partial/" in name]

    for _ in poll("the pull to end", 20):
        if not busy():
            break
    release.set()
    registry.rules.clear()
    registry.sent = 0
    assert pull(daemon, f"{registry.host}/app:1") == ""
    # At least one of the spans before the one that stalls had come.
    assert registry.sent < 33 << 20
