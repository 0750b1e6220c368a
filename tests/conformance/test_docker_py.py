"""docker-py, Docker's own Python SDK, on our daemon."""

from __future__ import annotations

import gc
import io
import tarfile
import threading
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

from support.daemon import Daemon
from wharfie.engine.images.making.default_image import build_archive, find_busybox

# docker-py leaves the sockets of its streams to the garbage collector.
pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def client(shared_daemon: Daemon) -> Iterator[docker.DockerClient]:
    made = docker.DockerClient(base_url=f"unix://{shared_daemon.socket}", timeout=30)
    yield made
    for container in made.containers.list(all=True):
        container.remove(force=True)
    made.close()
    gc.collect()  # here, where the warning is expected


def test_run_returns_output_and_raises_on_failure(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
    with pytest.raises(ContainerError) as caught:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    assert (caught.value.exit_status, caught.value.stderr) == (3, b"bad\n")
    with pytest.raises((ImageNotFound, APIError)):
        client.containers.run("no/such", "true")


def test_the_life_of_a_container(client: docker.DockerClient) -> None:
    container = client.containers.run(
        "busybox", ["sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.1; done"],
        name="life", detach=True, labels={"a": "b"}, environment={"X": "1"},
    )  # fmt: skip
    assert client.containers.list(filters={"label": "a=b"}) == [container]
    assert container.status == "created" or container.status == "running"
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename("renamed")
    assert container.top()["Titles"]
    container.stop(timeout=5)
    assert container.wait()["StatusCode"] == 4
    assert container.logs() == b"up\n"
    container.restart(timeout=1)
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.remove()
    with pytest.raises(NotFound):
        client.containers.get("renamed")


def test_exec_and_its_streams(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 60", detach=True)
    result = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 6"], demux=True)
    assert (result.exit_code, result.output) == (6, (b"out\n", b"err\n"))
    streamed = container.exec_run("echo streamed", stream=True)
    assert b"".join(streamed.output) == b"streamed\n"
    assert container.exec_run("id -u", user="7").output == b"7\n"
    assert container.exec_run("pwd", workdir="/tmp").output == b"/tmp\n"


def test_attach_and_followed_logs(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "echo one; sleep 0.3; echo two"])
    output = container.attach(stream=True, logs=False)
    container.start()
    assert b"".join(output) == b"one\ntwo\n"
    assert b"".join(container.logs(stream=True, follow=True)) == b"one\ntwo\n"
    assert container.logs(tail=1) == b"two\n"


def test_archives_go_in_and_out(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("note")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"text"))
    assert container.put_archive("/tmp", packed.getvalue())
    stream, stat = container.get_archive("/tmp/note")
    assert (stat["name"], stat["size"]) == ("note", 4)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        content = archive.extractfile("note")
        assert content is not None
        assert content.read() == b"text"
    assert {"Path": "/tmp/note", "Kind": 1} in container.diff()


def test_events_arrive_while_they_happen(client: docker.DockerClient) -> None:
    stream = client.events(decode=True, filters={"type": "container"})
    seen: list[str] = []

    def read() -> None:
        for event in stream:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                return

    reader = threading.Thread(target=read)
    reader.start()
    client.containers.run("busybox", "true", remove=True)
    reader.join(20)
    stream.close()
    assert [a for a in seen if a in ("create", "start", "die", "destroy")] == [
        "create", "start", "die", "destroy",
    ]  # fmt: skip


def test_images(client: docker.DockerClient, shared_daemon: Daemon) -> None:
    (loaded,) = client.images.load(build_archive(find_busybox(), "again:1"))
    assert loaded.tags == ["again:1"] or "again:1" in loaded.tags
    assert loaded.tag("other", "2")
    saved = b"".join(client.images.get("other:2").save(named=True))
    assert b"manifest.json" in saved
    assert client.images.get("other:2").history()
    client.images.remove("other:2")
    client.images.remove("again:1")
    with pytest.raises(ImageNotFound):
        client.images.get("other:2")


def test_networks_and_volumes(client: docker.DockerClient) -> None:
    network = client.networks.create("py-net", driver="bridge")
    volume = client.volumes.create("py-vol")
    try:
        container = client.containers.run(
            "busybox", "sleep 60", detach=True, network="py-net",
            volumes={"py-vol": {"bind": "/v", "mode": "rw"}},
        )  # fmt: skip
        network.reload()
        assert network.containers == [container]
        with pytest.raises(APIError, match="volume is in use"):
            volume.remove()
        container.remove(force=True)
    finally:
        network.remove()
        volume.remove()
    assert client.info()["Driver"] == "overlay2"
    assert client.version()["ApiVersion"] == "1.51"
    assert client.ping()
    assert client.df()["Volumes"] is not None
