"""Behaviours 180–195: what a container may and sees by default (docs/compatibility.md)."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from support.api import Api
from support.daemon import Daemon
from wharfie.drivers.runtime import find_init

pytestmark = pytest.mark.root

DEFAULT_CAPABILITIES = 0xA80425FB


def capabilities(api: Api, which: str = "CapBnd", **config: object) -> int:
    output = api.output("grep", which, "/proc/self/status", **config)
    return int(output.split()[1], 16)


def test_b180_fourteen_capabilities_by_default(api: Api) -> None:
    assert capabilities(api) == DEFAULT_CAPABILITIES
    assert capabilities(api, "CapEff") == DEFAULT_CAPABILITIES
    assert capabilities(api, "CapAmb") == 0
    assert capabilities(api, "CapInh") == 0


def test_b180_capabilities_are_added_and_dropped_in_any_spelling(api: Api) -> None:
    host = {"CapAdd": ["net_admin"], "CapDrop": ["CAP_CHOWN", "MKNOD"]}
    expected = (DEFAULT_CAPABILITIES | 1 << 12) & ~(1 << 0) & ~(1 << 27)
    assert capabilities(api, HostConfig=host) == expected
    assert capabilities(api, HostConfig={"CapDrop": ["ALL"]}) == 0
    assert capabilities(api, HostConfig={"CapAdd": ["ALL"]}) > DEFAULT_CAPABILITIES
    words = api.not_created(HostConfig={"CapAdd": ["nonsense"]})
    assert "nonsense" in words.lower()
    assert "invalid" in words.lower()


def test_b180_who_is_not_root_keeps_the_bounding_set_alone(api: Api) -> None:
    assert capabilities(api, "CapEff", User="7") == 0
    assert capabilities(api, "CapBnd", User="7") == DEFAULT_CAPABILITIES


def test_b181_paths_are_masked_and_read_only(api: Api) -> None:
    script = (
        "head -c 1 /proc/timer_list | wc -c; ls /sys/firmware | wc -l;"
        "echo x > /proc/sys/kernel/hostname"
    )
    found = api.output("sh", "-c", script).splitlines()
    assert found[:2] == ["0", "0"]
    assert "Read-only file system" in found[2]
    host = api.inspect(api.create("true"))["HostConfig"]
    assert "/proc/kcore" in host["MaskedPaths"]
    assert "/proc/sys" in host["ReadonlyPaths"]
    host = {"MaskedPaths": [], "ReadonlyPaths": []}  # what `systempaths=unconfined` is sent as
    shown = api.inspect(api.create("true", HostConfig=host))["HostConfig"]
    assert (shown["MaskedPaths"], shown["ReadonlyPaths"]) == ([], [])


def test_b182_standard_mounts(api: Api) -> None:
    mounts = {
        line.split()[1]: line.split() for line in api.output("cat", "/proc/mounts").splitlines()
    }
    assert mounts["/dev"][2] == "tmpfs"
    assert "size=65536k" in mounts["/dev"][3]
    assert mounts["/dev/pts"][2] == "devpts"
    assert "gid=5" in mounts["/dev/pts"][3]
    assert mounts["/dev/mqueue"][2] == "mqueue"
    assert "ro" in mounts["/sys"][3].split(",")
    shared = mounts["/dev/shm"][3].split(",")
    assert {"nosuid", "nodev", "noexec", "size=65536k"} <= set(shared)


def test_b182_privileged_means_all_of_it(api: Api) -> None:
    host = {"Privileged": True}
    mounts = api.output("cat", "/proc/mounts", HostConfig=host)
    assert " /sys sysfs rw," in mounts
    assert capabilities(api, HostConfig=host) > DEFAULT_CAPABILITIES
    assert "Seccomp:\t0" in api.output("grep", "Seccomp:", "/proc/self/status", HostConfig=host)
    plain = api.output("sh", "-c", "ls /dev | wc -l")
    assert int(api.output("sh", "-c", "ls /dev | wc -l", HostConfig=host)) > int(plain)


def test_b183_devices_are_denied_but_for_the_usual_ones(api: Api) -> None:
    script = (
        "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo missing $d; done;"
        "mknod /tmp/mem c 1 1; head -c 1 /tmp/mem 2>&1; head -c 1 /dev/zero | wc -c"
    )
    found = api.output("sh", "-c", script)
    assert "missing" not in found
    assert "Operation not permitted" in found
    assert found.endswith("1\n")


def test_b184_sysctls_by_default(api: Api) -> None:
    names = ("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range")
    paths = [f"/proc/sys/{name.replace('.', '/')}" for name in names]
    assert api.output("cat", *paths).split() == ["0", "0", "2147483647"]


def test_b185_system_calls_are_filtered_unless_told_otherwise(api: Api) -> None:
    status = ("grep", "Seccomp:", "/proc/self/status")
    assert "2" in api.output(*status)
    free = {"SecurityOpt": ["seccomp=unconfined"]}
    assert "0" in api.output(*status, HostConfig=free)
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    own = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
    told = api.output("sh", "-c", "mkdir /x 2>&1", HostConfig={"SecurityOpt": [f"seccomp={own}"]})
    assert "Operation not permitted" in told
    fixed = {"SecurityOpt": ["no-new-privileges"]}
    assert "1" in api.output("grep", "NoNewPrivs", "/proc/self/status", HostConfig=fixed)


@pytest.mark.skipif(not find_init(), reason="no tini or docker-init on this host")
def test_b187_an_init_is_the_first_process(api: Api) -> None:
    ref = api.run("sleep", "600", HostConfig={"Init": True})
    first = api.exec(ref, "cat", "/proc/1/cmdline")[1]
    assert "init" in first or "tini" in first
    found = api.inspect(ref)
    assert (found["Path"], found["Args"]) == ("sleep", ["600"])


def test_b188_ulimits_and_oom_score(api: Api) -> None:
    host = {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "OomScoreAdj": 500}
    script = "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj"
    assert api.output("sh", "-c", script, HostConfig=host).split() == ["100", "200", "500"]


def test_b189_groups_are_named_by_the_container(shared_daemon: Daemon) -> None:
    with closing(Api(shared_daemon.socket)) as api:
        ref = api.run("sleep", "600")
        assert {path.name for path in shared_daemon.cgroups()} & {ref, f"docker-{ref}.scope"}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("7", ["7", "0"]), ("7:8", ["7", "8"]), ("root", ["0", "0"]), ("0:12", ["0", "12"]),
        ("12345", ["12345", "0"]),
    ],
)  # fmt: skip
def test_b190_users_by_name_and_number(api: Api, user: str, expected: list[str]) -> None:
    assert api.output("sh", "-c", "id -u; id -g", User=user).split() == expected


def test_b190_groups_are_added_and_unknown_users_refused(api: Api) -> None:
    output = api.output("id", "-G", User="7:8", HostConfig={"GroupAdd": ["99"]})
    assert output.split() == ["8", "99"]
    ref = api.create("true", User="nobodyhere")
    reply = api.ask("POST", f"/containers/{ref}/start")
    assert reply.status >= 400
    assert "unable to find user nobodyhere: no matching entries in passwd file" in reply.message


def test_b191_a_missing_working_directory_is_made(api: Api) -> None:
    script = "pwd; stat -c '%u %g' /made/deep"
    output = api.output("sh", "-c", script, WorkingDir="/made/deep", User="0")
    assert output.split() == ["/made/deep", "0", "0"]


def test_b192_a_read_only_root_has_writable_places(api: Api) -> None:
    host = {"ReadonlyRootfs": True, "Tmpfs": {"/t": ""}}
    script = "touch /x 2>&1; touch /t/x /dev/shm/x /v/x && echo fine"
    output = api.output("sh", "-c", script, HostConfig=host, Volumes={"/v": {}})
    assert "Read-only file system" in output
    assert output.endswith("fine\n")


def test_b194_stop_signals_are_checked_and_used(api: Api) -> None:
    script = "trap 'exit 5' WINCH; echo up; while :; do sleep 0.05; done"
    ref = api.run("sh", "-c", script, StopSignal="SIGWINCH")
    api.until("its trap", lambda: "up" in api.log(ref))
    api.do("POST", f"/containers/{ref}/stop")
    assert api.state(ref)["ExitCode"] == 5
    assert "invalid signal" in api.not_created(StopSignal="NOPE").lower()


def test_b195_a_privileged_exec_may_everything(api: Api) -> None:
    ref = api.run("sleep", "600")
    status = api.exec(ref, "grep", "CapEff", "/proc/self/status", Privileged=True)[1]
    assert int(status.split()[1], 16) > DEFAULT_CAPABILITIES
