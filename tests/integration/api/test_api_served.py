"""The API on real sockets over fakes: streams, hijacks, and the genuine CLI."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

from support.genuine_cli import docker_cli
from support.http_certs import certificates
from support.http_services import Bench, sample_container
from support.http_serving import connected, read_all, read_head, read_reply, serving
from wharfie.api import application
from wharfie.formats.logs.runs import LogRun
from wharfie.formats.stdcopy import Decoder
from wharfie.model.container import Config, ExitStatus
from wharfie.web import TcpListener, UnixListener


@pytest.fixture
def bench():
    one = Bench()
    one.containers.add(sample_container())
    return one


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "docker.sock")


@pytest.fixture
def served(bench, path):
    with serving(application(bench.services), [UnixListener(path=path)]) as state:
        yield state


def post(target, body=b"", *fields):
    head = [f"POST {target} HTTP/1.1", "Host: docker", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def get(target):
    return f"GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n".encode()


UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")


def wait_for(condition, timeout=3.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_wait_sends_its_head_first_and_ends_with_the_container(bench, served, path):
    with connected(path) as client:
        client.sendall(post("/containers/web1/wait?condition=next-exit"))
        head, rest = read_head(client)
        assert b"Content-Type: application/json\r\n" in head
        assert rest == b""
        served.call(lambda: bench.containers.waiters[0].set_result(ExitStatus(7)))
        assert read_reply(client, head + b"\r\n\r\n")[2] == b'{"StatusCode":7}\n'
        client.sendall(get("/_ping"))
        assert read_reply(client)[2] == b"OK"


def test_a_waiter_that_leaves_is_forgotten(bench, served, path):
    with connected(path) as client:
        client.sendall(post("/containers/web1/wait"))
        read_head(client)
    wait_for(bench.containers.waiters[0].cancelled)


def test_a_stop_goes_on_without_its_client(bench, served, path):
    bench.containers.slow = 0.3
    with connected(path) as client:
        client.sendall(post("/containers/web1/stop"))
        wait_for(lambda: bench.containers.calls)
    assert bench.containers.finished.wait(2)


def test_events_are_flushed_one_by_one_and_let_go(bench, served, path):
    with connected(path) as client:
        client.sendall(get("/events"))
        _, rest = read_head(client)
        wait_for(lambda: bench.events.listeners == 1)
        served.call(lambda: bench.events.publish("container", "start", "i", {}))
        while b"\n" not in rest.partition(b"\r\n")[2]:
            rest += client.recv(4096)
        assert json.loads(rest.split(b"\r\n")[1])["Action"] == "start"
    wait_for(lambda: bench.events.listeners == 0)


def test_attach_reaches_the_other_party_with_early_input(served, path):
    with connected(path) as client:
        target = "/v1.51/containers/web1/attach?stream=1&stdin=1&stdout=1"
        client.sendall(post(target, b"", *UPGRADE) + b"early ")
        head, rest = read_head(client)
        assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert b"application/vnd.docker.multiplexed-stream" in head
        client.sendall(b"late ")
        client.shutdown(socket.SHUT_WR)
        frames = list(Decoder().feed(rest + read_all(client)))
        assert b"".join(frame.payload for frame in frames) == b"EARLY LATE bye\n"


def test_a_refused_attach_is_a_normal_answer(served, path):
    with connected(path) as client:
        client.sendall(post("/containers/nope/attach?stream=1", b"", *UPGRADE))
        head, rest = read_head(client)
        assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
        # What stands behind a declined upgrade may be meant for the other protocol.
        assert b"\r\nConnection: close" in head
        assert json.loads(rest + read_all(client)) == {"message": "No such container: nope"}


@pytest.mark.parametrize("upgrade", [True, False])
def test_exec_start_posts_json_with_an_upgrade(bench, served, path, upgrade):
    with connected(path) as client:
        made = b'{"Cmd":["cat"],"AttachStdin":true}'
        client.sendall(post("/containers/web1/exec", made, "Content-Type: application/json"))
        exec_id = json.loads(read_reply(client)[2])["Id"]
        fields = ["Content-Type: application/json", *(UPGRADE if upgrade else ())]
        client.sendall(post(f"/exec/{exec_id}/start", b'{"Detach":false,"Tty":false}', *fields))
        head, rest = read_head(client)
        assert head.startswith(b"HTTP/1.1 101" if upgrade else b"HTTP/1.1 200 OK")
        client.sendall(b"hi")
        client.shutdown(socket.SHUT_WR)
        frames = list(Decoder().feed(rest + read_all(client)))
        assert b"".join(frame.payload for frame in frames) == b"HIbye\n"


def test_malformed_json_does_not_cost_the_connection(served, path):
    with connected(path) as client:
        client.sendall(post("/containers/create", b"{", "Content-Type: application/json"))
        status, fields, body, _ = read_reply(client)
        assert (status, fields["content-type"]) == (400, "application/json")
        assert body.startswith(b'{"message":"invalid JSON')
        client.sendall(get("/_ping"))
        assert read_reply(client)[0] == 200


def test_large_archives_stream_both_ways(bench, served, path):
    with connected(path) as client:
        head = "PUT /containers/web1/archive?path=/ HTTP/1.1\r\nHost: h\r\n"
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(100):
            client.sendall(b"8000\r\n" + b"t" * 32768 + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert read_reply(client)[0] == 200
        assert len(bench.files.received) == 3_276_800
        client.sendall(get("/containers/web1/export"))
        assert read_reply(client)[2] == b"rootfs"


# The genuine CLI


def run_cli(host, *arguments, stdin=b"", environment=None, timeout=20):
    return subprocess.run(
        [docker_cli(), "-H", host, *arguments],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environment or {})},
    )


@pytest.fixture
def cli(served, path):
    return lambda *arguments, **options: run_cli(f"unix://{path}", *arguments, **options)


def test_cli_version(cli):
    done = cli("version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}")
    assert done.stdout == b"9.8.7 1.51\n", done.stderr
    assert b"Wharfie" in cli("version").stdout


def test_cli_ps(cli, bench):
    bench.containers.add(sample_container(2))
    done = cli("ps", "-a", "--filter", "name=web", "--format", "{{.Names}} {{.Image}} {{.Ports}}")
    assert done.stdout == (
        b"web2 busybox 81/udp, 0.0.0.0:8080->80/tcp\nweb1 busybox 81/udp, 0.0.0.0:8080->80/tcp\n"
    ), done.stderr
    assert bench.containers.calls[-1][1].names == ["web"]


def test_cli_info(cli):
    done = cli("info", "--format", "{{.ID}} {{.NCPU}} {{.Swarm.LocalNodeState}} {{.Driver}}")
    assert done.stdout == b"ID 4 inactive overlay2\n", done.stderr
    assert b"Server Version: 9.8.7" in cli("info").stdout


def test_cli_inspect(cli):
    done = cli("inspect", "web1")
    assert json.loads(done.stdout)[0]["Name"] == "/web1", done.stderr
    done = cli("inspect", "--type", "container", "nope")
    assert done.returncode == 1


def test_cli_images(cli):
    assert b"busybox" in cli("images").stdout
    done = cli(
        "image", "inspect", "busybox", "--format", "{{.Os}}/{{.Architecture}} {{.Config.Cmd}}"
    )
    assert done.stdout == b"linux/amd64 [sh]\n", done.stderr


def test_cli_events(cli, bench):
    bench.events.publish("container", "start", "i" * 64, {"image": "busybox", "name": "web"})
    done = cli("events", "--since", "1", "--until=-1s")
    assert b"container start " + b"i" * 64 in done.stdout, done.stderr


def test_cli_start_stop_and_errors(cli, bench):
    assert cli("stop", "-t", "1", "web1").returncode == 0
    assert bench.containers.calls[-1] == ("stop", "web1", 1.0, None)
    done = cli("service", "ls")
    assert b"This node is not a swarm manager" in done.stderr
    done = cli("stats", "--no-stream", "web1")
    assert b"web1" in done.stdout, done.stderr


def test_cli_logs(cli, bench):
    bench.streams.entries = [
        LogRun(1, "2026-01-01T00:00:00.000000001Z", [b"to out"], {}),
        LogRun(2, "2026-01-01T00:00:00.000000002Z", [b"to err"], {}),
    ]
    done = cli("logs", "web1")
    assert (done.stdout, done.stderr) == (b"to out\n", b"to err\n")


def run_through_attach(host, bench, served, **options):
    """`docker run -i`: create, attach, wait, start, half-close, output after it, exit code."""
    bench.containers.add(
        sample_container(0xC, id="c" * 64, name="made", config=Config(open_stdin=True))
    )

    def end():
        wait_for(lambda: ("start", "c" * 64) in bench.containers.calls, timeout=15)
        time.sleep(0.3)
        served.call(lambda: [one.set_result(ExitStatus(3)) for one in bench.containers.waiters])

    ender = threading.Thread(target=end)
    ender.start()
    done = run_cli(host, "run", "-i", "busybox", "cat", stdin=b"some input", **options)
    ender.join()
    return done


def test_cli_run_interactive(bench, served, path):
    done = run_through_attach(f"unix://{path}", bench, served)
    assert (done.stdout, done.returncode) == (b"SOME INPUTbye\n", 3), done.stderr


def test_cli_run_interactive_over_tls(bench):
    listener = TcpListener(host="127.0.0.1", port=0, tls=certificates().source(verify=True))
    with serving(application(bench.services), [listener]) as state:
        environment = {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(certificates().directory),
        }
        host = f"tcp://localhost:{state.port}"
        done = run_through_attach(host, bench, state, environment=environment)
        assert (done.stdout, done.returncode) == (b"SOME INPUTbye\n", 3), done.stderr
        done = run_cli(host, "version")
        assert done.returncode == 1


def test_cli_exec(cli, bench):
    done = cli("exec", "-i", "web1", "cat", stdin=b"abc")
    assert done.stdout == b"ABCbye\n", done.stderr
