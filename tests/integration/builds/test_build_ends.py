"""How builds end early: a client that leaves, a cancel, a killed daemon; and many at once."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.api import Api
from support.building import OpenBuild, build, context, image_of, said
from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root


def processes_of(daemon: Daemon, word: str) -> list[int]:
    """Processes inside whose command line has a word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in line and b"sh" in line.split(b"\0")[0]:
                found.append(int(entry.name))
    return found


def wait_gone(daemon: Daemon, word: str) -> None:
    for _ in poll(f"the end of {word}", 20):
        if not processes_of(daemon, word):
            return


def contexts_of(daemon: Daemon) -> list[str]:
    return os.listdir(daemon.data_root / "build/contexts/trees")


def wait_no_contexts(daemon: Daemon) -> None:
    for _ in poll("the end of all contexts", 20):
        if not contexts_of(daemon):
            return


def test_a_client_that_leaves_ends_its_build(daemon: Daemon) -> None:
    daemon.load_busybox()
    mark = f"leaving-{time.monotonic_ns()}"
    files = {"Dockerfile": f"FROM busybox\nRUN echo {mark}; sleep 1000; true\nRUN echo never\n"}
    open_build = OpenBuild(daemon.socket, files, "t=never")
    open_build.until(b'"stream":"' + mark.encode())
    assert processes_of(daemon, mark)
    assert contexts_of(daemon)
    open_build.cut()
    wait_gone(daemon, mark)
    wait_no_contexts(daemon)
    api = Api(daemon.socket)
    assert api.ask("GET", "/images/never/json").status == 404
    assert api.get("/containers/json?all=1") == []
    assert "error" not in daemon.log().replace("level=info", "")


def test_a_build_is_cancelled_by_its_name(shared_daemon: Daemon) -> None:
    mark = f"named-{time.monotonic_ns()}"
    files = {"Dockerfile": f"FROM busybox\nRUN echo {mark}; sleep 1000; true\n"}
    open_build = OpenBuild(shared_daemon.socket, files, "buildid=some-id")
    open_build.until(b'"stream":"' + mark.encode())
    api = Api(shared_daemon.socket)
    assert api.ask("POST", "/build/cancel").status == 400
    assert api.ask("POST", "/build/cancel", id="other").status == 200
    assert api.ask("POST", "/build/cancel", id="some-id").status == 200
    assert b"context canceled" in open_build.until(b'"error"')
    open_build.cut()
    wait_gone(shared_daemon, mark)


def test_a_step_others_wait_for_goes_on(shared_daemon: Daemon) -> None:
    """Two builds share a running step; the first one's client leaves."""
    mark = f"shared-{time.monotonic_ns()}"
    files = {"Dockerfile": f"FROM busybox\nRUN echo {mark} && sleep 1 && echo {mark} > /f\n"}
    first = OpenBuild(shared_daemon.socket, files)
    first.until(b'"stream":"' + mark.encode())
    second = OpenBuild(shared_daemon.socket, files)
    second.until(b"Step 2/2")
    assert len(processes_of(shared_daemon, mark)) == 1
    first.cut()
    assert b"Successfully built" in second.until(b"Successfully built")
    second.cut()


def test_sixteen_builds_at_once(shared_daemon: Daemon) -> None:
    api = Api(shared_daemon.socket)
    mark = time.monotonic_ns()

    def one(number: int) -> str:
        text = f"FROM busybox\nCOPY f /\nRUN cat /f && echo {mark} && echo {number} > /n\n"
        found = build(api, {"Dockerfile": text, "f": f"content {number}"}, t=f"many:{number}")
        assert f"content {number}" in said(found)
        return image_of(found)

    with ThreadPoolExecutor(16) as pool:
        images = list(pool.map(one, range(16)))
    assert len(set(images)) == 16
    for number in (0, 15):
        done = shared_daemon.docker("run", "--rm", f"many:{number}", "cat", "/f", "/n")
        assert done.stdout == f"content {number}{number}\n"


def test_equal_builds_at_once_are_one_image(shared_daemon: Daemon) -> None:
    api = Api(shared_daemon.socket)
    text = f"FROM busybox\nRUN echo {time.monotonic_ns()} > /n\n"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: image_of(build(api, {"Dockerfile": text})), range(8)))
    assert len(set(found)) == 1


def test_a_killed_daemon_leaves_nothing_and_knows_what_was_done(daemon: Daemon) -> None:
    daemon.load_busybox()
    mark = f"killed-{time.monotonic_ns()}"
    text = f"FROM busybox\nRUN echo done-{mark} > /f\nRUN echo {mark}; sleep 1000; true\n"
    files = {"Dockerfile": text, "big": os.urandom(1 << 20)}
    open_build = OpenBuild(daemon.socket, files)
    open_build.until(b'"stream":"' + mark.encode())
    daemon.kill9()
    open_build.cut()
    daemon.start()
    wait_gone(daemon, f"{mark}; sleep")
    wait_no_contexts(daemon)
    api = Api(daemon.socket)
    assert api.get("/containers/json?all=1") == []
    shorter = text.partition(f"RUN echo {mark}; sleep")[0]
    again = build(api, {"Dockerfile": shorter})
    assert "Using cache" in said(again)
    assert image_of(again)


def test_a_killed_upload_leaves_nothing(daemon: Daemon) -> None:
    body = context({"Dockerfile": "FROM busybox\n", "big": os.urandom(4 << 20)})

    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(daemon.socket))
        sock.sendall(
            b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body[: 2 << 20])
        )
        for _ in poll("the context's tree"):
            if contexts_of(daemon):
                break
        daemon.kill9()
    daemon.start()
    wait_no_contexts(daemon)
    # The benign twin: a client that leaves in the middle, the daemon alive.
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(daemon.socket))
        sock.sendall(
            b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body[: 2 << 20])
        )
        for _ in poll("the context's tree"):
            if contexts_of(daemon):
                break
    wait_no_contexts(daemon)
