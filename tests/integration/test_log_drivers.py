"""Log drivers on a real kernel: what arrives, what can be read back, what a dead target costs."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.log_receivers import Receiver
from support.netns import poll

pytestmark = pytest.mark.root


def create(daemon: Daemon, script: str, driver: str = "", **options: str) -> str:
    config = {key.replace("_", "-"): value for key, value in options.items()}
    body = {
        "Image": "busybox",
        "Cmd": ["sh", "-c", script],
        "HostConfig": {"LogConfig": {"Type": driver, "Config": config}, "NetworkMode": "none"},
    }
    made = daemon.json("POST", "/containers/create", body)
    assert isinstance(made, dict)
    return str(made["Id"])


@contextlib.contextmanager
def container(daemon: Daemon, script: str, driver: str = "", **options: str) -> Iterator[str]:
    ref = create(daemon, script, driver, **options)
    try:
        yield ref
    finally:
        daemon.request("DELETE", f"/containers/{ref}?force=1")


def run(daemon: Daemon, ref: str) -> int:
    """Start and wait; returns the exit code."""
    status, reply = daemon.request("POST", f"/containers/{ref}/start")
    assert status == 204, reply
    ended = daemon.json("POST", f"/containers/{ref}/wait")
    assert isinstance(ended, dict)
    return int(ended["StatusCode"])


def logs(daemon: Daemon, ref: str, query: str = "") -> bytes:
    """Both streams' text, frames taken off."""
    status, reply = daemon.request("GET", f"/containers/{ref}/logs?stdout=1&stderr=1{query}")
    assert status == 200, reply
    text = b""
    while reply:
        size = int.from_bytes(reply[4:8], "big")
        text += reply[8 : 8 + size]
        reply = reply[8 + size :]
    return text


def inside(daemon: Daemon, kind: str, **more: object) -> Receiver:
    return Receiver(kind, pid=daemon.namespaces.pid, **more)  # type: ignore[arg-type]


def test_b095_a_json_file_is_rotated_compressed_and_read_as_one(shared_daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo end >&2"
    options = {"max_size": "40k", "max_file": "9", "compress": "true", "labels": "a", "tag": "t"}
    with container(shared_daemon, script, "json-file", **options) as ref:
        assert run(shared_daemon, ref) == 0
        shown = shared_daemon.json("GET", f"/containers/{ref}/json")
        path = Path(shown["LogPath"])  # type: ignore[index]
        assert path.name == f"{ref}-json.log"
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.stat().st_size <= 40_200
        packed = sorted(path.parent.glob(f"{path.name}.*.gz"))
        assert len(packed) >= 3
        row = json.loads(gzip.decompress(packed[0].read_bytes()).splitlines()[0])
        assert row["attrs"] == {"tag": "t"}
        lines = logs(shared_daemon, ref).splitlines()
        assert lines == [b"line %d" % n for n in range(3000)] + [b"end"]
        assert logs(shared_daemon, ref, "&tail=2500").splitlines() == lines[-2500:]
        detailed = logs(shared_daemon, ref, "&details=1&tail=1")
        assert detailed == b"tag=t end\n"


def test_the_genuine_client_follows_across_rotations(shared_daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done; sleep 0.2; echo end"
    for driver in ("json-file", "local"):
        options = {"max_size": "30k", "max_file": "50", "compress": "true"}
        with container(shared_daemon, script, driver, **options) as ref:
            shared_daemon.json("POST", f"/containers/{ref}/start")
            followed = shared_daemon.docker("logs", "-f", ref)
            wanted = [f"line {n}" for n in range(4000)] + ["end"]
            assert followed.stdout.splitlines() == wanted
            stamped = shared_daemon.docker("logs", "-t", ref).stdout.splitlines()
            middle = stamped[3000].partition(" ")[0]
            later = shared_daemon.docker("logs", "--since", middle, ref).stdout.splitlines()
            assert later == wanted[-len(later) :]
            assert len(later) >= 1001
            early = shared_daemon.docker("logs", "--until", middle, ref).stdout.splitlines()
            assert early == wanted[: len(early)]
            assert len(early) >= 3001
            assert shared_daemon.docker("logs", "-n", "2", ref).stdout == "line 3999\nend\n"


def test_b099_only_a_json_file_log_has_a_path_to_show(shared_daemon: Daemon) -> None:
    """As Docker 28: the files of the local driver are nobody's business."""
    for driver in ("json-file", "local", "none"):
        with container(shared_daemon, "true", driver) as ref:
            shown = shared_daemon.json("GET", f"/containers/{ref}/json")["LogPath"]  # type: ignore[index]
            assert shown.endswith(f"/{ref}-json.log") if driver == "json-file" else shown == ""


def test_a_local_log_is_kept_and_read(shared_daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf open"
    with container(shared_daemon, script, "local", max_size="20k", max_file="20") as ref:
        assert run(shared_daemon, ref) == 0
        shown = shared_daemon.json("GET", f"/containers/{ref}/json")
        assert shown["LogPath"] == ""  # type: ignore[index]
        folder = shared_daemon.data_root / "containers" / ref / "local-logs"
        assert (folder / "container.log").stat().st_size < 21_000
        assert len(list(folder.glob("container.log.*.gz"))) >= 2
        text = b"".join(b"line %d\n" % n for n in range(2000)) + b"open"
        assert logs(shared_daemon, ref) == text
        tail = logs(shared_daemon, ref, "&tail=1001")
        assert tail == text[text.index(b"line 1000\n") :]
        stamped = logs(shared_daemon, ref, "&tail=1&timestamps=1").decode()
        assert stamped.endswith("Z open")


def test_b094_none_cannot_be_read_and_a_sent_log_only_without_its_copy(
    shared_daemon: Daemon,
) -> None:
    refused = b"configured logging driver does not support reading"
    with container(shared_daemon, "echo x", "none") as ref:
        assert run(shared_daemon, ref) == 0
        status, reply = shared_daemon.request("GET", f"/containers/{ref}/logs?stdout=1")
        assert (status, refused in reply) == (501, True)
    with inside(shared_daemon, "udp") as receiver:
        options = {"syslog_address": receiver.address, "cache_disabled": "true"}
        with container(shared_daemon, "echo x", "syslog", **options) as ref:
            assert run(shared_daemon, ref) == 0
            receiver.wait_for(b": x\n")
            status, reply = shared_daemon.request("GET", f"/containers/{ref}/logs?stdout=1")
            assert (status, refused in reply) == (501, True)


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix", "unixgram"])
def test_syslog_arrives_and_is_read_back(shared_daemon: Daemon, kind: str) -> None:
    path = shared_daemon.directory / f"log-{kind}" if kind.startswith("unix") else None
    with inside(shared_daemon, kind, path=path) as receiver:
        options = {"syslog_address": receiver.address, "tag": "me/{{.Name}}",
                   "syslog_facility": "local0", "syslog_format": "rfc5424"}  # fmt: skip
        with container(shared_daemon, "echo out; echo err >&2", "syslog", **options) as ref:
            assert run(shared_daemon, ref) == 0
            found = receiver.wait_for(b"err\n")
            name = shared_daemon.json("GET", f"/containers/{ref}/json")["Name"][1:]  # type: ignore[index]
            assert f" me/{name} - out\n".encode() in found
            assert b"<134>1 " in found
            assert b"<131>1 " in found
            assert logs(shared_daemon, ref) in (b"out\nerr\n", b"err\nout\n")


def test_syslog_over_tls_is_counted_and_its_receiver_proved(shared_daemon: Daemon) -> None:
    """The receiver has the certificate of the daemon's own CA, for 127.0.0.1."""
    certs = shared_daemon.certs
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "server-cert.pem", certs / "server-key.pem")
    with inside(shared_daemon, "tcp", tls=context) as receiver:
        address = receiver.address.replace("tcp://", "tcp+tls://")
        options = {"syslog_address": address, "syslog_format": "rfc5424", "tag": "t"}
        proof = {"syslog_tls_ca_cert": str(certs / "ca.pem")}
        with container(shared_daemon, "echo sealed", "syslog", **options, **proof) as ref:
            assert run(shared_daemon, ref) == 0
            found = receiver.wait_for(b"sealed\n")
            count, _, message = found.partition(b" ")
            assert int(count) == len(message)
        with container(shared_daemon, "true", "syslog", **options) as ref:
            status, reply = shared_daemon.request("POST", f"/containers/{ref}/start")
            assert status == 500
            assert b"CERTIFICATE_VERIFY_FAILED" in reply
        skip = {"syslog_tls_skip_verify": "true"}
        with container(shared_daemon, "echo unproved", "syslog", **options, **skip) as ref:
            assert run(shared_daemon, ref) == 0
            receiver.wait_for(b"unproved\n")


def test_gelf_arrives_over_udp_and_tcp(shared_daemon: Daemon) -> None:
    with inside(shared_daemon, "udp") as receiver:
        options = {"gelf_address": receiver.address, "labels": "a", "env": "PATH"}
        with container(shared_daemon, "echo hello", "gelf", **options) as ref:
            assert run(shared_daemon, ref) == 0
            for _ in poll("a datagram"):
                if receiver.packets:
                    break
            message = json.loads(gzip.decompress(receiver.packets[0]))
            assert message["short_message"] == "hello"
            assert message["_container_id"] == ref
            assert message["level"] == 6
            assert logs(shared_daemon, ref) == b"hello\n"
    with inside(shared_daemon, "tcp") as receiver:
        script = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done"
        with container(shared_daemon, script, "gelf", gelf_address=receiver.address) as ref:
            assert run(shared_daemon, ref) == 0
            rows = receiver.wait_for(b'"line 499"').split(b"\0")
            texts = [json.loads(row)["short_message"] for row in rows if row]
            assert texts == [f"line {n}" for n in range(500)]


def test_fluentd_arrives_survives_a_hang_up_and_is_acknowledged(shared_daemon: Daemon) -> None:
    with inside(shared_daemon, "tcp") as receiver:
        options = {"fluentd_address": receiver.address, "fluentd_retry_wait": "10ms", "tag": "t"}
        script = "echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two"
        with container(shared_daemon, script, "fluentd", **options) as ref:
            assert shared_daemon.request("POST", f"/containers/{ref}/start")[0] == 204
            assert b"\xa3log\xa3one" in receiver.wait_for(b"\xa3one")
            receiver.hang_up()
            shared_daemon.docker("exec", ref, "touch", "/go")
            receiver.wait_for(b"\xa3two")
            shared_daemon.json("POST", f"/containers/{ref}/wait")
            assert logs(shared_daemon, ref) == b"one\ntwo\n"

    def acknowledge(packet: bytes) -> bytes:
        return b"\x81\xa3ack\xb8" + packet[-24:]

    with inside(shared_daemon, "tcp", answer=acknowledge) as receiver:
        options = {"fluentd_address": receiver.address, "fluentd_request_ack": "true"}
        with container(shared_daemon, "echo 1; echo 2; echo 3", "fluentd", **options) as ref:
            assert run(shared_daemon, ref) == 0
            receiver.wait_for(b"\xa3log\xa13")
            assert len(receiver.packets) == 3


def test_a_receiver_that_is_not_there_keeps_the_container_from_starting(
    shared_daemon: Daemon,
) -> None:
    cases = {
        "fluentd": {"fluentd_address": "127.0.0.1:1"},
        "gelf": {"gelf_address": "tcp://127.0.0.1:1"},
        "syslog": {"syslog_address": "tcp://127.0.0.1:1"},
    }
    for driver, options in cases.items():
        with container(shared_daemon, "true", driver, **options) as ref:
            status, reply = shared_daemon.request("POST", f"/containers/{ref}/start")
            text = reply.decode()
            assert status == 500, text
            assert "failed to create task for container: failed to initialize logging" in text
            assert "dial tcp 127.0.0.1:1: connect: connection refused" in text
    options = {"fluentd_address": "127.0.0.1:1", "fluentd_async": "true"}
    with container(shared_daemon, "echo x", "fluentd", **options) as ref:
        assert run(shared_daemon, ref) == 0
        assert logs(shared_daemon, ref) == b"x\n"


@pytest.fixture
def journal() -> Iterator[tuple[Daemon, Receiver]]:
    """A daemon that finds a journal of ours where systemd's would be."""
    with Daemon() as daemon:
        daemon.namespaces.check("mount", "-t", "tmpfs", "tmpfs", "/run")
        daemon.namespaces.check("mkdir", "-p", "/run/systemd/journal")
        path = Path(f"/proc/{daemon.namespaces.pid}/root/run/systemd/journal/socket")
        with Receiver("unixgram", path=path) as receiver:
            daemon.start()
            daemon.load_busybox()
            yield daemon, receiver


def test_journald_gets_its_fields(journal: tuple[Daemon, Receiver]) -> None:
    daemon, receiver = journal
    with container(daemon, "echo hello; echo bad >&2", "journald", tag="{{.Name}}") as ref:
        assert run(daemon, ref) == 0
        receiver.wait_for(b"MESSAGE=bad\n")
        first = next(packet for packet in receiver.packets if b"MESSAGE=hello\n" in packet)
        assert f"CONTAINER_ID_FULL={ref}\n".encode() in first
        assert b"PRIORITY=6\n" in first
        assert logs(daemon, ref) in (b"hello\nbad\n", b"bad\nhello\n")
    big = "head -c 16000 /dev/zero | tr '\\0' x; echo"
    with container(daemon, big, "journald", labels="big") as ref:
        assert run(daemon, ref) == 0
        receiver.wait_for(b"x" * 16000)


def test_without_a_journal_journald_containers_do_not_start(shared_daemon: Daemon) -> None:
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("this host has a journal")
    with container(shared_daemon, "true", "journald") as ref:
        status, reply = shared_daemon.request("POST", f"/containers/{ref}/start")
        assert status == 500
        assert b"journald is not enabled on this host" in reply


LINE = "echo 0123456789012345678901234567890123456789012345678901234567890123"


def test_a_stuck_target_stops_its_own_container_only(shared_daemon: Daemon) -> None:
    """In blocking mode the container's writes wait; nobody else's, and a stop is no slower."""
    with contextlib.ExitStack() as stack:
        path = shared_daemon.directory / "stuck"
        stuck = stack.enter_context(Receiver("unix", path=path, reads=False))
        options = {"syslog_address": stuck.address}
        counted = "i=0; x=$(head -c 8000 /dev/zero | tr '\\0' x); "
        counted += "while :; do i=$((i+1)); echo $i >/count; echo $x; done"
        blocked = stack.enter_context(container(shared_daemon, counted, "syslog", **options))
        shared_daemon.json("POST", f"/containers/{blocked}/start")

        def count() -> int:
            done = shared_daemon.docker("exec", blocked, "cat", "/count")
            return int(done.stdout or "0")

        before = -1
        for _ in poll("the blocked container to stand still", 30):
            now = count()
            if now == before and now > 100:
                break
            before = now
            time.sleep(0.3)
        other = stack.enter_context(container(shared_daemon, "echo fine; exit 3"))
        started = time.monotonic()
        assert run(shared_daemon, other) == 3
        assert logs(shared_daemon, other) == b"fine\n"
        assert time.monotonic() - started < 5
        assert shared_daemon.request("POST", f"/containers/{blocked}/stop?t=0")[0] == 204
        assert time.monotonic() - started < 15
        assert logs(shared_daemon, blocked, "&tail=1").startswith(b"xxxx")


def test_b097_a_non_blocking_container_goes_on_beside_a_stuck_target(
    shared_daemon: Daemon,
) -> None:
    script = f"i=0; while [ $i -lt 60000 ]; do i=$((i+1)); {LINE}; done; echo end"
    with inside(shared_daemon, "tcp", reads=False) as stuck:
        options = {"syslog_address": stuck.address, "mode": "non-blocking"}
        with container(shared_daemon, script, "syslog", **options) as ref:
            assert run(shared_daemon, ref) == 0
            assert logs(shared_daemon, ref, "&tail=1") == b"end\n"


def test_logs_survive_the_supervisor_and_go_on_being_sent() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        with inside(daemon, "udp") as receiver:
            script = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); sleep 0.02; done"
            ref = create(daemon, script, "syslog", syslog_address=receiver.address)
            daemon.json("POST", f"/containers/{ref}/start")
            receiver.wait_for(b"line 5\n")
            supervisors = [
                pid
                for pid, name in daemon.namespaces.processes().items()
                if "wharfie.supervisor" in name
            ]
            os.kill(supervisors[0], 9)
            receiver.wait_for(b"line 20\n")
            daemon.kill9()
            daemon.start()
            receiver.wait_for(b"line 99\n")
            lines = set(logs(daemon, ref).splitlines())
            assert len(lines) >= 98
            assert b"line 99" in lines
