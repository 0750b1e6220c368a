"""Keys of daemon.json have their effect, not only a place: daemon.md §1."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.daemon import BIN, Daemon

pytestmark = pytest.mark.root

KEYS = {
    "labels": ["stage=test"],
    "debug": True,
    "log-level": "warn",
    "log-format": "json",
    "experimental": True,
    "min-api-version": "1.40",
    "live-restore": False,
    "proxies": {"http-proxy": "http://user:secret@proxy:3128", "no-proxy": "localhost"},
    "registry-mirrors": ["https://mirror.example/"],
    "insecure-registries": ["10.0.0.0/8", "registry.example:5000"],
    "default-shm-size": "16m",
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1000, "Hard": 2000}},
    "default-ipc-mode": "shareable",
    "default-cgroupns-mode": "private",
    "default-stop-timeout": 1,
    "no-new-privileges": True,
    "seccomp-profile": "unconfined",
    "log-driver": "local",
    "log-opts": {"max-size": "5m"},
    "dns": ["192.0.2.53"],
    "dns-search": ["example.test"],
    "dns-opts": ["ndots:2"],
    "host-gateway-ips": ["192.0.2.1"],
    "bip": "10.123.0.1/24",
    "fixed-cidr": "10.123.0.128/25",
    "mtu": 1400,
    "icc": False,
    "ip": "127.0.0.1",
    "default-address-pools": [{"base": "10.124.0.0/16", "size": 24}],
    "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1300"}},
    "runtimes": {"mine": {"path": "/usr/bin/crun", "runtimeArgs": ["--debug"]}},
}


@pytest.fixture(scope="module")
def configured() -> Iterator[Daemon]:
    """A daemon with all of `KEYS`."""
    with Daemon() as daemon:
        path = daemon.directory / "daemon.json"
        path.write_text(json.dumps(KEYS))
        daemon.start("--config-file", str(path))
        daemon.load_busybox()
        yield daemon


def run(daemon: Daemon, line: str, *flags: str) -> str:
    """What a shell line prints in a container."""
    done = daemon.wharfie("run", "--rm", *flags, "busybox", "sh", "-c", line)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_info_shows_them(configured: Daemon) -> None:
    info = configured.json("GET", "/info")
    assert isinstance(info, dict)
    assert info["Labels"] == ["stage=test"]
    assert info["Debug"] is True
    assert info["ExperimentalBuild"] is True
    assert info["LiveRestoreEnabled"] is False
    assert info["HttpProxy"] == "http://xxxxx:xxxxx@proxy:3128"
    assert info["NoProxy"] == "localhost"
    assert info["LoggingDriver"] == "local"
    assert info["Runtimes"]["mine"]["path"] == "/usr/bin/crun"
    registries = info["RegistryConfig"]
    assert registries["Mirrors"] == ["https://mirror.example/"]
    assert "10.0.0.0/8" in registries["InsecureRegistryCIDRs"]
    assert registries["IndexConfigs"]["registry.example:5000"]["Secure"] is False


def test_the_api_has_its_floor(configured: Daemon) -> None:
    assert configured.request("GET", "/v1.40/info")[0] == 200
    status, body = configured.request("GET", "/v1.39/info")
    assert status == 400
    assert b"Minimum supported API version is 1.40" in body
    version = configured.json("GET", "/version")
    assert isinstance(version, dict)
    assert version["MinAPIVersion"] == "1.40"


def test_the_log_is_json(configured: Daemon) -> None:
    lines = [json.loads(line) for line in configured.log().splitlines()]
    assert {"level", "msg", "time"} <= lines[0].keys()
    assert "debug" in {line["level"] for line in lines}
    assert "secret" not in configured.log()


def test_containers_get_their_defaults(configured: Daemon) -> None:
    assert run(configured, "df -k /dev/shm | tail -1").split()[1] == "16384"
    assert run(configured, "ulimit -Sn; ulimit -Hn").split() == ["1000", "2000"]
    status = run(configured, "grep -E 'NoNewPrivs|^Seccomp:' /proc/self/status").split()
    assert status == ["NoNewPrivs:", "1", "Seccomp:", "0"]
    resolver = run(configured, "cat /etc/resolv.conf")
    assert "nameserver 192.0.2.53" in resolver
    assert "search example.test" in resolver
    assert "options ndots:2" in resolver
    hosts = run(configured, "cat /etc/hosts", "--add-host", "out:host-gateway")
    assert ["192.0.2.1", "out"] in [line.split() for line in hosts.splitlines()]


def test_a_container_may_say_otherwise(configured: Daemon) -> None:
    flags = ("--security-opt", "no-new-privileges:false", "--shm-size", "8m", "--dns", "192.0.2.9")
    found = run(configured, "grep NoNewPrivs /proc/self/status; df -k /dev/shm | tail -1", *flags)
    assert found.split()[:2] == ["NoNewPrivs:", "0"]
    assert "8192" in found


def test_records_show_what_was_filled_in(configured: Daemon) -> None:
    made = configured.json("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})
    assert isinstance(made, dict)
    shown = configured.json("GET", f"/containers/{made['Id']}/json")
    assert isinstance(shown, dict)
    host = shown["HostConfig"]
    assert host["IpcMode"] == "shareable"
    assert host["CgroupnsMode"] == "private"
    assert host["LogConfig"]["Type"] == "local"
    assert host["LogConfig"]["Config"]["max-size"] == "5m"
    assert configured.request("DELETE", f"/containers/{made['Id']}")[0] == 204


def test_networks_are_as_wished(configured: Daemon) -> None:
    shown = run(configured, "ip -o addr show eth0; ip link show eth0")
    assert "10.123.0." in shown
    assert int(shown.partition("10.123.0.")[2].partition("/")[0]) >= 128
    assert "mtu 1400" in shown
    bridge = configured.json("GET", "/networks/bridge")
    assert isinstance(bridge, dict)
    assert bridge["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert bridge["Options"]["com.docker.network.bridge.host_binding_ipv4"] == "127.0.0.1"
    made = configured.json("POST", "/networks/create", {"Name": "own"})
    assert made
    own = configured.json("GET", "/networks/own")
    assert isinstance(own, dict)
    assert own["IPAM"]["Config"][0]["Subnet"].startswith("10.124.")
    assert own["Options"]["com.docker.network.driver.mtu"] == "1300"
    assert "mtu 1300" in run(configured, "ip link show eth0", "--network", "own")
    assert configured.request("DELETE", "/networks/own")[0] == 204


def test_a_further_runtime_starts_containers(configured: Daemon) -> None:
    assert run(configured, "echo hello", "--runtime", "mine") == "hello"


def test_without_live_restore_the_end_stops_containers(configured: Daemon) -> None:
    configured.wharfie("run", "-d", "--name", "stopped", "busybox", "sleep", "1000")
    configured.restart("--config-file", str(configured.directory / "daemon.json"))
    listed = configured.wharfie("ps", "-a", "--filter", "name=stopped", "--format", "{{.Status}}")
    assert listed.stdout.startswith("Exited (137)")
    configured.wharfie("rm", "stopped")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"log-driver": "nope"}, "error looking up logging plugin nope"),
        ({"log-opts": {"nope": "1"}}, "unknown log opt 'nope' for json-file log driver"),
        ({"seccomp-profile": "/none.json"}, "opening seccomp profile (/none.json) failed"),
        ({"default-runtime": "nope"}, 'specified default runtime "nope" does not exist'),
        ({"init-path": "/none"}, "init-path /none: no such program"),
        ({"bip": "nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(content: object, words: str) -> None:
    with Daemon() as daemon:
        path = daemon.directory / "daemon.json"
        path.write_text(json.dumps(content))
        done = daemon.namespaces.run(
            str(BIN / "wharfied"), "--config-file", str(path), "-H", daemon.host,
            "--data-root", str(daemon.data_root), "--exec-root", str(daemon.exec_root),
            "--pidfile", str(daemon.pidfile),
        )  # fmt: skip
        assert done.returncode == 1
        assert "failed to start daemon: " in done.stderr
        assert words in done.stderr
        assert not daemon.pidfile.exists()
