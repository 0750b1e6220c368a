"""`metrics-addr`: the page for Prometheus, as dockerd's."""

from __future__ import annotations

import re

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root

SAMPLE = re.compile(r"([a-z_]+)(\{[^}]*\})? ([-+0-9.e]+|\+Inf)")
DOCKERS = """
container_actions_seconds histogram, container_states_containers gauge, engine_cpus_cpus gauge,
engine_info gauge, engine_memory_bytes gauge, events_subscribers_total gauge, events_total counter,
health_check_start_duration_seconds histogram, health_checks_failed_total counter,
health_checks_total counter, host_info_functions_seconds histogram, image_actions_seconds histogram,
network_actions_seconds histogram
"""


def ask(daemon: Daemon, url: str, *flags: str) -> str:
    return daemon.namespaces.run("curl", "-s", "-m", "5", *flags, url).stdout


def test_the_page_tells_under_dockers_names() -> None:
    with Daemon("--metrics-addr=127.0.0.1:9323") as daemon:
        daemon.start()
        daemon.load_busybox()
        assert "metrics API listening on 127.0.0.1:9323" in daemon.log()
        health = ("--health-cmd", "false", "--health-interval", "100ms")
        done = daemon.docker("run", "-d", "--name", "sick", *health, "busybox", "sleep", "99")
        assert done.returncode == 0, done.stderr
        assert daemon.docker("run", "--rm", "busybox", "true").returncode == 0
        assert daemon.docker("run", "busybox", "false").returncode == 1
        for _ in poll("three failed health checks"):
            if daemon.docker("ps", "-q", "--filter", "health=unhealthy").stdout:
                break
        daemon.docker("info")
        page = ask(daemon, "http://127.0.0.1:9323/metrics")
        kinds = dict(re.findall(r"# TYPE engine_daemon_(\w+) (\w+)", page))
        assert kinds == dict(one.split() for one in DOCKERS.replace("\n", " ").split(", "))
        samples = {}
        for line in page.splitlines():
            if not line.startswith("#"):
                found = SAMPLE.fullmatch(line)
                assert found is not None, line
                samples[found[1].removeprefix("engine_daemon_") + (found[2] or "")] = found[3]
        assert samples['container_states_containers{state="running"}'] == "1"
        assert samples['container_states_containers{state="stopped"}'] == "1"
        for action, number in (("create", 3), ("start", 3), ("commit", 0)):
            assert samples[f'container_actions_seconds_count{{action="{action}"}}'] == str(number)
            bucket = f'container_actions_seconds_bucket{{action="{action}",le="+Inf"}}'
            assert samples[bucket] == str(number)
        assert samples['network_actions_seconds_count{action="allocate"}'] == "3"
        assert samples['network_actions_seconds_count{action="release"}'] == "2"
        assert int(samples["health_checks_failed_total"]) >= 3
        assert int(samples["health_check_start_duration_seconds_count"]) >= 3
        assert int(samples["events_total"]) > 10
        assert float(samples["process_resident_memory_bytes"]) > 1e6


def test_nothing_else_is_served_and_containers_are_kept_out() -> None:
    with Daemon("--metrics-addr=0.0.0.0:9323") as daemon:
        daemon.start()
        daemon.load_busybox()
        status = ("-o", "/dev/null", "-w", "%{http_code}")
        for path, code in (("metrics", "200"), ("info", "404"), ("v1.41/containers/json", "404")):
            assert ask(daemon, f"http://127.0.0.1:9323/{path}", *status) == code
        posted = ask(daemon, "http://127.0.0.1:9323/metrics", "-X", "POST", *status)
        assert posted == "405"
        request = r"printf 'GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n' | nc -w 3"
        gateway = "$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')"
        script = ("busybox", "sh", "-c", f"{request} {gateway} 9323; echo asked")
        inside = daemon.docker("run", "--rm", *script)
        assert inside.stdout == "asked\n"
        script = ("busybox", "sh", "-c", f"{request} 127.0.0.1 9323")
        benign = daemon.docker("run", "--rm", "--network", "host", *script)
        assert "engine_daemon_engine_info" in benign.stdout


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("foo", "error parsing tcp address: address foo: missing port in address"),
        (":9323", "failed to lookup  address in host specification"),
        ("10.99.99.99:99", "cannot listen on tcp://10.99.99.99:99"),
    ],
)
def test_an_address_that_cannot_be_stops_the_start(address: str, words: str) -> None:
    with Daemon(f"--metrics-addr={address}") as daemon:
        with pytest.raises(RuntimeError, match="failed to start metrics server: ") as refused:
            daemon.start()
        assert words in str(refused.value)
