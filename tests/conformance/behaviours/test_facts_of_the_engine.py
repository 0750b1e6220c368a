"""Behaviours 199–205: info, version, ping, auth, distribution (docs/compatibility.md)."""

from __future__ import annotations

import re

import pytest

from support.api import Api

pytestmark = pytest.mark.root

INFO = {
    "ID": str, "Containers": int, "ContainersRunning": int, "ContainersPaused": int,
    "ContainersStopped": int, "Images": int, "Driver": str, "DriverStatus": list,
    "Plugins": dict, "MemoryLimit": bool, "SwapLimit": bool, "CpuCfsPeriod": bool,
    "CpuCfsQuota": bool, "CPUShares": bool, "CPUSet": bool, "PidsLimit": bool,
    "IPv4Forwarding": bool, "Debug": bool, "NFd": int, "OomKillDisable": bool, "NGoroutines": int,
    "SystemTime": str, "LoggingDriver": str, "CgroupDriver": str, "CgroupVersion": str,
    "NEventsListener": int, "KernelVersion": str, "OperatingSystem": str, "OSVersion": str,
    "OSType": str, "Architecture": str, "IndexServerAddress": str, "RegistryConfig": dict,
    "NCPU": int, "MemTotal": int, "DockerRootDir": str, "HttpProxy": str, "HttpsProxy": str,
    "NoProxy": str, "Name": str, "Labels": list, "ExperimentalBuild": bool, "ServerVersion": str,
    "Runtimes": dict, "DefaultRuntime": str, "Swarm": dict, "LiveRestoreEnabled": bool,
    "Isolation": str, "InitBinary": str, "ContainerdCommit": dict, "RuncCommit": dict,
    "InitCommit": dict, "SecurityOptions": list,
}  # fmt: skip


def test_b199_info_has_what_tools_read(api: Api) -> None:
    info = api.get("/info")
    wrong = {name for name, kind in INFO.items() if not isinstance(info.get(name), kind)}
    assert wrong == set()
    assert set(info["Plugins"]) >= {"Volume", "Network", "Authorization", "Log"}
    assert {"local"} <= set(info["Plugins"]["Volume"])
    assert {"bridge", "host", "null"} <= set(info["Plugins"]["Network"])
    assert info["Architecture"] in ("x86_64", "aarch64")
    assert (info["OSType"], info["Swarm"]["LocalNodeState"]) == ("linux", "inactive")
    assert info["DefaultRuntime"] in info["Runtimes"]
    registries = info["RegistryConfig"]
    assert "127.0.0.0/8" in registries["InsecureRegistryCIDRs"]
    assert registries["IndexConfigs"]["docker.io"]["Official"] is True
    assert any("seccomp" in option for option in info["SecurityOptions"])


def test_b096_log_drivers_are_listed(api: Api) -> None:
    drivers = set(api.get("/info")["Plugins"]["Log"])
    assert {"json-file", "local", "journald", "syslog", "fluentd", "gelf"} <= drivers


def test_b199_counts_follow_the_containers(api: Api) -> None:
    before = api.get("/info")
    ref = api.run("sleep", "600")
    api.do("POST", f"/containers/{ref}/pause")
    after = api.get("/info")
    assert after["ContainersPaused"] == before["ContainersPaused"] + 1
    assert after["Containers"] >= before["Containers"]


def test_b200_version_has_what_tools_read(api: Api) -> None:
    version = api.get("/version")
    assert version["Platform"]["Name"]
    (engine,) = (one for one in version["Components"] if one["Name"] == "Engine")
    assert engine["Version"] == version["Version"]
    assert engine["Details"]["ApiVersion"] == version["ApiVersion"] == "1.51"
    assert version["MinAPIVersion"] == "1.24"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", version["Version"])
    for name in ("GitCommit", "GoVersion", "Os", "Arch", "KernelVersion", "BuildTime"):
        assert isinstance(version[name], str)
    assert (version["Os"], version["Arch"]) in (("linux", "amd64"), ("linux", "arm64"))


@pytest.mark.parametrize("path", ["/_ping", "/info", "/version", "/containers/json"])
def test_b201_paths_have_versions_or_none(api: Api, path: str) -> None:
    for version in ("", "1.24", "1.40", "1.51"):
        assert api.at(version).ask("GET", path).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_b202_a_ping_tells_what_clients_ask_for(api: Api, method: str) -> None:
    reply = api.ask(method, "/_ping")
    headers = reply.headers
    assert (headers["api-version"], headers["ostype"]) == ("1.51", "linux")
    assert headers["docker-experimental"] == "false"
    assert headers["swarm"] == "inactive"
    assert "builder-version" in headers
    assert headers["server"].startswith("Docker/")
    assert "no-cache" in headers["cache-control"]
    assert reply.body == (b"OK" if method == "GET" else b"")


def test_b203_a_login_where_nobody_listens_says_so(api: Api) -> None:
    body = {"username": "u", "password": "p", "serveraddress": "127.0.0.1:9"}
    reply = api.ask("POST", "/auth", body)
    assert reply.status in (401, 500)
    assert "127.0.0.1:9" in reply.message


def test_b204_a_distribution_that_cannot_be_asked_says_so(api: Api) -> None:
    reply = api.ask("GET", "/distribution/127.0.0.1:9/nobody/json")
    assert reply.status >= 400
    assert "127.0.0.1:9" in reply.message


def test_b205_what_only_diagnoses_is_there(api: Api) -> None:
    assert api.get("/info")["NFd"] >= 0


def test_b197_disk_usage_has_all_kinds(api: Api) -> None:
    ref = api.ended("sh", "-c", "head -c 5000 /dev/zero > /f")
    found = api.get("/system/df")
    (mine,) = (one for one in found["Containers"] if one["Id"] == ref)
    assert mine["SizeRw"] >= 5000
    assert found["LayersSize"] > 0
    assert isinstance(found["Images"], list)
    only = api.get("/system/df", type="volume")
    assert only.get("Containers") is None
    assert api.ask("GET", "/system/df", type="odd").status == 400
