"""`wharfie doctor` on the daemon's machine: exposure, configuration, host; each with its twin."""

import json
from collections.abc import Iterator

import pytest

from support.bare_machine import BareMachine
from support.netns import poll

pytestmark = pytest.mark.root

Finding = dict[str, str]


class Server:
    """A machine whose daemon is started with other flags for every test."""

    def __init__(self, machine: BareMachine) -> None:
        self.machine = machine

    def start(self, flags: str = "", settings: str = "") -> None:
        self.machine.write(
            "/etc/wharfie/daemon.json", f'{{"cgroup-parent": "/{self.machine.cgroup}"{settings}}}'
        )
        self.machine.check(f"wharfied {flags} &")
        for _ in poll("the daemon to answer"):
            if self.machine.type("wharfie version").returncode == 0:
                return

    def stop(self) -> None:
        self.machine.type("kill $(pidof -x wharfied); rm -rf /etc/wharfie/tls")
        for _ in poll("the daemon to end"):
            if self.machine.type("pidof -x wharfied").returncode:
                return

    def doctor(self, line: str = "wharfie doctor --format json") -> list[Finding]:
        done = self.machine.type(line)
        found = json.loads(done.stdout)
        assert isinstance(found, list)
        assert done.returncode == int(any(one["status"] == "fail" for one in found))
        return found

    def said(self, check: str, **how: str) -> list[tuple[str, str]]:
        return [
            (one["status"], f"{one['detail']} | {one['remedy']}")
            for one in self.doctor(**how)
            if one["check"] == check
        ]


@pytest.fixture(scope="module")
def machine() -> Iterator[BareMachine]:
    with BareMachine() as machine:
        yield machine


@pytest.fixture
def server(machine: BareMachine) -> Iterator[Server]:
    server = Server(machine)
    yield server
    server.stop()


def test_a_daemon_on_its_socket_exposes_nothing(server: Server) -> None:
    server.start()
    listeners = server.said("listeners")
    assert [status for status, _ in listeners] == ["ok"]
    assert "/var/run/docker.sock is open to root and group" in listeners[0][1]
    assert server.said("configuration")[0][0] == "ok"
    assert server.said("socket")[0][0] == "ok"


def test_a_socket_for_everybody(server: Server) -> None:
    server.start()
    server.machine.check("chmod 666 /var/run/docker.sock")
    status, text = server.said("listeners")[0]
    assert status == "fail"
    assert "chmod 660" in text


def test_plain_tcp(server: Server) -> None:
    server.start("-H unix:///var/run/docker.sock -H tcp://0.0.0.0:2375 --allow-plain-tcp")
    found = server.said("listeners")
    assert [status for status, _ in found] == ["ok", "fail"]
    assert "0.0.0.0:2375 without encryption: everybody who reaches it is root" in found[1][1]
    assert "wharfie remote enable" in found[1][1]


def test_plain_tcp_on_loopback(server: Server) -> None:
    server.start("-H unix:///var/run/docker.sock -H tcp://127.0.0.1:2375")
    status, text = server.said("listeners")[1]
    assert status == "fail"
    assert "every user and program of this machine is root" in text


def test_plain_tcp_by_ipv6(server: Server) -> None:
    server.start("-H unix:///var/run/docker.sock -H tcp://[::1]:2375")
    status, text = server.said("listeners")[1]
    assert status == "fail"
    assert text.startswith("[::1]:2375 without encryption")


@pytest.mark.parametrize(("verify", "status"), [("false", "fail"), ("true", "ok")])
def test_tls_with_and_without_asking_for_certificates(
    server: Server, verify: str, status: str
) -> None:
    server.machine.check("wharfie cert create --dir /etc/wharfie/tls --own-names")
    files = " ".join(
        f"--tls{flag}=/etc/wharfie/tls/{name}.pem"
        for flag, name in (("cacert", "ca"), ("cert", "server-cert"), ("key", "server-key"))
    )
    hosts = "-H unix:///var/run/docker.sock -H tcp://0.0.0.0:2376"
    server.start(f"{hosts} --tlsverify={verify} {files}")
    found = server.said("listeners")[1]
    assert found[0] == status, found
    assert "0.0.0.0:2376" in found[1]


def test_certificates_of_the_server(server: Server) -> None:
    server.machine.check("wharfie cert create --dir /etc/wharfie/tls --own-names --days 9")
    files = ", ".join(
        f'"tls{flag}": "/etc/wharfie/tls/{name}.pem"'
        for flag, name in (("cacert", "ca"), ("cert", "server-cert"), ("key", "server-key"))
    )
    hosts = '"hosts": ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2376"]'
    server.start(settings=f', "tlsverify": true, {files}, {hosts}')
    found = server.said("server certificates")
    assert {status for status, _ in found} == {"fail"}
    assert any("wharfie cert renew --server --dir /etc/wharfie/tls" in text for _, text in found)
    server.machine.check("wharfie cert renew --dir /etc/wharfie/tls")
    assert [status for status, _ in server.said("server certificates")] == ["ok"]


def test_no_daemon(server: Server) -> None:
    assert server.said("socket")[0][0] == "fail"
    assert server.said("listeners")[0][0] == "warn"


def test_a_daemon_that_was_killed(server: Server) -> None:
    server.start()
    server.machine.type("kill -9 $(pidof -x wharfied)")
    for _ in poll("the daemon to end"):
        if server.machine.type("pidof -x wharfied").returncode:
            break
    status, text = server.said("socket")[0]
    assert status == "fail"
    assert "its daemon has gone" in text
    assert "systemctl restart wharfie" in text


def test_something_else_in_the_sockets_place(server: Server) -> None:
    server.machine.check("rm -f /var/run/docker.sock; touch /var/run/docker.sock")
    try:
        status, text = server.said("socket")[0]
    finally:
        server.machine.check("rm /var/run/docker.sock")
    assert status == "fail"
    assert "is no socket" in text


@pytest.mark.parametrize("text", ['{"debug": tru}', '{"dbug": true}', '{"mtu": -1}'])
def test_settings_that_are_wrong(server: Server, text: str) -> None:
    server.start()
    server.machine.write("/etc/wharfie/daemon.json", text)
    status, said = server.said("configuration")[0]
    assert status == "fail"
    assert "daemon.json" in said


def test_a_unit_that_contradicts_the_file(server: Server) -> None:
    unit = "[Service]\nExecStart=/usr/bin/wharfied -H fd://\n"
    server.machine.write("/etc/systemd/system/wharfie.service", unit)
    hosts = '"hosts": ["tcp://127.0.0.1:2376"]'
    try:
        server.machine.write("/etc/wharfie/daemon.json", f"{{{hosts}}}")
        status, said = server.said("configuration")[0]
        assert status == "fail"
        assert "hosts: (from flag: [fd://], from file: [tcp://127.0.0.1:2376])" in said
        drop_in = "[Service]\nExecStart=\nExecStart=/usr/bin/wharfied\n"
        server.machine.write("/etc/systemd/system/wharfie.service.d/x.conf", drop_in)
        assert server.said("configuration")[0][0] == "ok"
    finally:
        server.machine.check("rm -r /etc/systemd/system/wharfie.service*")


def as_nobody(groups: str) -> str:
    return f"setpriv --reuid 65534 --regid 65534 {groups} wharfie doctor --format json"


def test_membership_of_the_group(server: Server) -> None:
    server.machine.check("groupadd -f docker")
    try:
        server.start()
        status, text = server.said("socket", line=as_nobody("--clear-groups"))[0]
        assert status == "fail"
        assert "sudo usermod -aG docker nobody" in text
        server.machine.check("usermod -aG docker nobody")
        status, text = server.said("socket", line=as_nobody("--clear-groups"))[0]
        assert status == "fail"
        assert "newgrp docker" in text
        assert server.said("socket", line=as_nobody("--groups docker"))[0][0] == "ok"
        assert "nobody" in server.said("group")[0][1]
        unseen = server.said("listeners", line=as_nobody("--groups docker"))[0]
        assert unseen[0] == "warn"
        assert "sudo wharfie doctor" in unseen[1]
    finally:
        server.machine.check("groupdel docker")
    assert server.said("group")[0][0] == "warn"


@pytest.mark.parametrize(
    ("fault", "check", "status", "remedy"),
    [
        ("mount -t tmpfs none /sys/fs/cgroup", "cgroups", "fail", "mount -t cgroup2"),
        (
            "grep -v overlay /proc/filesystems > /run/fs; mount --bind /run/fs /proc/filesystems",
            "overlay", "fail", "modprobe overlay",
        ),
        ("PATH=/run/bin", "runtime", "fail", "apt-get install crun"),
        ("sysctl -qw net.ipv4.ip_forward=0", "forwarding", "warn", "net.ipv4.ip_forward=1"),
        ("sysctl -qw net.ipv4.ip_forward=1", "forwarding", "ok", ""),
        ("true", "cgroups", "ok", ""),
        ("true", "overlay", "ok", ""),
        ("true", "runtime", "ok", ""),
        ("true", "kernel", "ok", ""),
        ("true", "seccomp", "ok", ""),
        ("true", "nftables", "ok", ""),
    ],
)  # fmt: skip
def test_what_this_machine_lacks(
    server: Server, fault: str, check: str, status: str, remedy: str
) -> None:
    """Mounts are made in a namespace of this one command: they end with it."""
    server.machine.check("mkdir -p /run/bin; ln -sf $(command -v wharfie) /run/bin/wharfie")
    line = f"unshare -m sh -c '{fault}; wharfie doctor --format json'"
    found = server.said(check, line=line)[0]
    assert found[0] == status
    assert remedy in found[1]
