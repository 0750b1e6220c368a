"""Stats of real containers: counters that move, streams, and the figures of both clients."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest

from support.daemon import Daemon, UnixConnection

pytestmark = pytest.mark.root

BUSY = "i=0; while :; do i=$((i+1)); done"


@pytest.fixture
def busy(shared_daemon: Daemon) -> Iterator[str]:
    made = shared_daemon.docker("run", "-d", "--memory", "64m", "busybox", "sh", "-c", BUSY)
    assert made.returncode == 0, made.stderr
    ref = made.stdout.strip()
    yield ref
    shared_daemon.docker("rm", "-f", ref)


def stats(daemon: Daemon, ref: str, query: str) -> dict:
    found = daemon.json("GET", f"/containers/{ref}/stats?{query}")
    assert isinstance(found, dict)
    return found


def test_b196_the_second_sample_follows_a_real_one(shared_daemon: Daemon, busy: str) -> None:
    found = stats(shared_daemon, busy, "stream=0")
    now, before = found["cpu_stats"], found["precpu_stats"]
    assert now["cpu_usage"]["total_usage"] > before["cpu_usage"]["total_usage"] > 0
    assert now["system_cpu_usage"] > before["system_cpu_usage"] > 0
    assert now["online_cpus"] > 0
    assert found["memory_stats"]["limit"] == 64 << 20
    assert 0 < found["memory_stats"]["usage"] < 64 << 20
    assert found["pids_stats"] == {"current": 1}
    assert found["networks"]["eth0"]["rx_bytes"] >= 0
    assert (found["id"], found["name"][0]) == (busy, "/")


def test_b198_a_created_container_has_zeroes(shared_daemon: Daemon) -> None:
    ref = shared_daemon.docker("create", "busybox", "true").stdout.strip()
    found = stats(shared_daemon, ref, "stream=0")
    assert (found["read"], found["pids_stats"], found["memory_stats"]) == (
        "0001-01-01T00:00:00Z",
        {},
        {},
    )
    assert found["blkio_stats"]["io_service_bytes_recursive"] is None
    assert "networks" not in found
    shared_daemon.docker("rm", ref)


def test_a_stream_brings_one_object_after_the_other(shared_daemon: Daemon, busy: str) -> None:
    with contextlib.closing(UnixConnection(shared_daemon.socket)) as connection:
        connection.request("GET", f"/containers/{busy}/stats")
        reply = connection.getresponse()
        first, second = json.loads(reply.readline()), json.loads(reply.readline())
        assert second["preread"] == first["read"] < second["read"]
        assert second["precpu_stats"] == first["cpu_stats"]
        shared_daemon.json("DELETE", f"/containers/{busy}?force=1")
        while reply.readline():
            pass


@pytest.mark.parametrize("client", ["docker", "wharfie"])
def test_b197_clients_show_shares_and_sizes(shared_daemon: Daemon, busy: str, client: str) -> None:
    run = getattr(shared_daemon, client)
    form = "{{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.Name}}"
    done = run("stats", "--no-stream", "--format", form, busy)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"([\d.]+)% [\d.]+[KM]iB / 64MiB 1 \w+\n", done.stdout)
    assert found, done.stdout
    assert float(found[1]) > 1
