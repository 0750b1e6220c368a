"""Namespaces a container shares with the host or with another one, and legacy links."""

from __future__ import annotations

import json

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def run(daemon: Daemon, *arguments: str) -> str:
    return output(daemon, "run", "--rm", *arguments)


def refused(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker("run", "--rm", *arguments)
    assert done.returncode != 0
    return done.stderr


def namespace(daemon: Daemon, kind: str, *flags: str) -> str:
    return run(daemon, *flags, "busybox", "readlink", f"/proc/self/ns/{kind}")


def host_namespace(daemon: Daemon, kind: str) -> str:
    return daemon.namespaces.run("readlink", f"/proc/self/ns/{kind}").stdout.strip()


@pytest.mark.parametrize(
    ("kind", "flag"),
    [("ipc", "--ipc"), ("pid", "--pid"), ("uts", "--uts"), ("cgroup", "--cgroupns")],
)
def test_b186_host_and_private_namespaces(shared_daemon: Daemon, kind: str, flag: str) -> None:
    host = host_namespace(shared_daemon, kind)
    assert namespace(shared_daemon, kind, flag, "host") == host
    if kind == "cgroup":
        assert namespace(shared_daemon, kind, flag, "private") != host
    else:
        assert namespace(shared_daemon, kind) != host


def test_b186_a_container_joins_ipc_pid_and_network_of_another(shared_daemon: Daemon) -> None:
    daemon, donor = shared_daemon, "donor"
    output(daemon, "run", "-d", "--name", donor, "--ipc", "shareable", "--shm-size", "3m",
           "busybox", "sh", "-c", "echo mine > /dev/shm/note; exec sleep 300")  # fmt: skip
    try:
        for kind, flag in (("ipc", "--ipc"), ("pid", "--pid"), ("net", "--network")):
            theirs = output(daemon, "exec", donor, "readlink", f"/proc/self/ns/{kind}")
            assert namespace(daemon, kind, flag, f"container:{donor}") == theirs
        joined = ["--ipc", f"container:{donor}", "busybox", "sh", "-c"]
        assert run(daemon, *joined, "cat /dev/shm/note; echo theirs > /dev/shm/answer") == "mine"
        assert output(daemon, "exec", donor, "cat", "/dev/shm/answer") == "theirs"
        assert "sleep 300" in run(daemon, "--pid", f"container:{donor}", "busybox", "ps")
        assert run(daemon, "busybox", "ls", "/dev/shm") == ""
    finally:
        output(daemon, "rm", "-f", donor)


def test_b186_private_and_absent_shared_memory(shared_daemon: Daemon) -> None:
    daemon, donor = shared_daemon, "private-donor"
    output(daemon, "run", "-d", "--name", donor, "busybox", "sleep", "300")
    try:
        assert "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" in refused(
            daemon, "--ipc", f"container:{donor}", "busybox", "true"
        )
    finally:
        output(daemon, "rm", "-f", donor)
    assert run(daemon, "--ipc", "none", "busybox", "sh", "-c", "grep -c ' /dev/shm ' /proc/mounts"
               " || true") == "0"  # fmt: skip


def test_b071_joining_one_that_does_not_run_is_refused(shared_daemon: Daemon) -> None:
    daemon, donor = shared_daemon, "sleepy"
    made = output(daemon, "create", "--name", donor, "--ipc", "shareable", "busybox", "true")
    try:
        for flag, kind in (("--ipc", "IPC"), ("--pid", "PID")):
            told = f"failed to join {kind} namespace: container {made.strip()} is not running"
            assert told in refused(daemon, flag, f"container:{donor}", "busybox", "true")
        assert "No such container: nobody" in refused(
            daemon, "--ipc", "container:nobody", "busybox", "true"
        )
    finally:
        output(daemon, "rm", donor)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("IpcMode", "bogus", "invalid IPC mode: bogus"),
        ("PidMode", "private", "invalid PID mode: private"),
        ("UTSMode", "bogus", "invalid UTS mode: bogus"),
        ("CgroupnsMode", "bogus", "invalid cgroup namespace mode: bogus"),
        ("UsernsMode", "bogus", "invalid USER mode: bogus"),
    ],
)
def test_b186_unknown_modes_are_refused(
    shared_daemon: Daemon, field: str, value: str, text: str
) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {field: value}}
    status, reply = shared_daemon.request("POST", "/containers/create", body)
    assert (status, json.loads(reply)["message"]) == (400, text)


def test_b176_a_link_gives_a_name_and_variables(shared_daemon: Daemon) -> None:
    daemon, name = shared_daemon, "linked-db"
    output(daemon, "run", "-d", "--name", name, "--expose", "5432", "-e", "COLOUR=blue",
           "busybox", "sleep", "300")  # fmt: skip
    try:
        output(daemon, "run", "-d", "--name", "linking", "--link", f"{name}:store", "busybox",
               "sleep", "300")  # fmt: skip
        address = output(daemon, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
        script = "echo $STORE_PORT_5432_TCP_ADDR $STORE_ENV_COLOUR; ping -c1 store | head -1"
        seen = output(daemon, "exec", "linking", "sh", "-c", script).splitlines()
        assert seen == [f"{address} blue", f"PING store ({address}): 56 data bytes"]
        shown = output(daemon, "inspect", "-f", "{{.HostConfig.Links}}", "linking")
        assert shown == f"[/{name}:/linking/store]"
        # A linked container that comes back with another address is known by that one.
        output(daemon, "stop", "-t", "0", name)
        output(daemon, "run", "-d", "--name", "squatter", "busybox", "sleep", "300")
        output(daemon, "start", name)
        again = output(daemon, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
        assert f"{again}\tstore" in output(daemon, "exec", "linking", "cat", "/etc/hosts")
    finally:
        daemon.docker("rm", "-f", "linking", "squatter", name)


def test_a_container_without_networking_has_a_loopback_only(shared_daemon: Daemon) -> None:
    body = {"Image": "busybox", "Cmd": ["ls", "/sys/class/net"], "NetworkDisabled": True}
    made = shared_daemon.json("POST", "/containers/create", body)["Id"]  # type: ignore[index, call-overload]
    assert output(shared_daemon, "start", "-a", made) == "lo"
    output(shared_daemon, "rm", made)
