"""The embedded name server, asked from inside containers of a real daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.netns import children, poll

pytestmark = pytest.mark.root

OUTSIDE = "203.0.113.77"


FAKE_RESOLVER = """
import selectors, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
listener = socket.create_server(("127.0.0.1", 53))
chosen = selectors.DefaultSelector()
chosen.register(server, selectors.EVENT_READ)
chosen.register(listener, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    (key, _), *_ = chosen.select()
    tcp = listener.accept()[0] if key.fileobj is listener else None
    data, peer = (tcp.recv(4096)[2:], None) if tcp else server.recvfrom(4096)
    end = data.index(0, 12) + 5
    print(data[12:end], flush=True)
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + bytes((203, 0, 113, 77))
    wants_ipv4 = data[end - 3] == 1
    head = data[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if wants_ipv4 else b"\\0\\0") + bytes(4)
    whole = head + data[12:end] + (answer if wants_ipv4 else b"")
    if tcp:
        tcp.sendall(len(whole).to_bytes(2, "big") + whole)
    else:
        server.sendto(whole, peer)
"""


class HostResolver:
    """A name server on the host's loopback, in its resolv.conf; `asked` are its questions."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.conf = daemon.directory / "resolv.conf"
        self._log = daemon.directory / "resolver.questions"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> HostResolver:
        self.conf.write_text("nameserver 127.0.0.1\n")
        self._daemon.namespaces.check("mount", "--bind", str(self.conf), "/etc/resolv.conf")
        with self._log.open("wb") as log:
            command = self._daemon.namespaces.command(sys.executable, "-c", FAKE_RESOLVER)
            self._process = subprocess.Popen(command, stdout=log)
        for _ in poll("the fake resolver"):
            if "ready" in self._log.read_text():
                return self
        raise AssertionError

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            for pid in children(self._process.pid):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()

    @property
    def asked(self) -> list[str]:
        return self._log.read_text().splitlines()[1:]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as made, HostResolver(made) as known:
        resolvers[:] = [known]
        made.start()
        made.load_busybox()
        ok(made, "network", "create", "one")
        ok(made, "network", "create", "two")
        ok(made, "network", "create", "--internal", "inner")
        yield made


resolvers: list[HostResolver] = []


@pytest.fixture
def resolver(daemon: Daemon) -> HostResolver:
    return resolvers[0]


def ok(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def run(daemon: Daemon, name: str, *flags: str, network: str = "one") -> None:
    ok(daemon, "run", "-d", "--name", name, "--network", network, *flags, "busybox", "sleep", "600")


def lookup(daemon: Daemon, container: str, name: str) -> str:
    done = daemon.docker("exec", container, "nslookup", name)
    return done.stdout


def address(daemon: Daemon, container: str, network: str = "one") -> str:
    told = json.loads(ok(daemon, "inspect", container))[0]
    return str(told["NetworkSettings"]["Networks"][network]["IPAddress"])


def remove(daemon: Daemon, *names: str) -> None:
    ok(daemon, "rm", "-f", *names)


def test_b154_b155_names_aliases_ids_and_reverse(daemon: Daemon) -> None:
    run(daemon, "web", "--network-alias", "www", "--hostname", "host-of-web")
    run(daemon, "client")
    try:
        told = address(daemon, "web")
        short_id = ok(daemon, "ps", "-q", "--filter", "name=web").strip()
        for name in ("web", "WWW", short_id, "web.one", "host-of-web"):
            assert f"Address: {told}" in lookup(daemon, "client", name), name
        assert "web.one" in lookup(daemon, "client", told)
        resolv = ok(daemon, "exec", "client", "cat", "/etc/resolv.conf")
        assert "nameserver 127.0.0.11\n" in resolv
        assert "ndots:0" in resolv
        # A name that has only IPv4 addresses has no IPv6 one, and nobody else is asked.
        done = daemon.docker("exec", "client", "nslookup", "-type=aaaa", "web")
        assert "NXDOMAIN" not in done.stdout
        assert "SERVFAIL" not in done.stdout
    finally:
        remove(daemon, "web", "client")


def test_b155_several_holders_of_a_name_take_turns(daemon: Daemon) -> None:
    names = [f"replica{number}" for number in range(3)]
    for name in names:
        run(daemon, name, "--network-alias", "replica")
    try:
        wanted = {address(daemon, name) for name in names}
        script = "for i in 1 2 3 4 5 6; do nslookup replica | grep ^Addr | sed -n 2p; done"
        told = ok(daemon, "exec", names[0], "sh", "-c", script).replace("Address:", "").split()
        assert set(told) == wanted
    finally:
        remove(daemon, *names)


def test_names_stay_in_their_network_and_follow_connects(daemon: Daemon) -> None:
    run(daemon, "here")
    run(daemon, "there", network="two")
    try:
        assert address(daemon, "there", "two") not in lookup(daemon, "here", "there")
        ok(daemon, "network", "connect", "--alias", "guest", "one", "there")
        assert address(daemon, "there") in lookup(daemon, "here", "guest")
        assert address(daemon, "here") in lookup(daemon, "there", "here")
        ok(daemon, "network", "disconnect", "one", "there")
        assert OUTSIDE in lookup(daemon, "here", "guest")
        assert address(daemon, "here") not in lookup(daemon, "there", "here")
    finally:
        remove(daemon, "here", "there")


def test_a_container_of_the_default_network_asks_names_once_connected(daemon: Daemon) -> None:
    run(daemon, "late", network="bridge")
    run(daemon, "target")
    try:
        assert "127.0.0.11" not in ok(daemon, "exec", "late", "cat", "/etc/resolv.conf")
        ok(daemon, "network", "connect", "one", "late")
        assert "127.0.0.11" in ok(daemon, "exec", "late", "cat", "/etc/resolv.conf")
        assert address(daemon, "target") in lookup(daemon, "late", "target")
        assert address(daemon, "late") in ok(daemon, "exec", "late", "cat", "/etc/hosts")
    finally:
        remove(daemon, "late", "target")


def test_the_host_is_always_found(daemon: Daemon) -> None:
    for network in ("one", "bridge"):
        run(daemon, "seeker", network=network)
        try:
            told = json.loads(ok(daemon, "inspect", "seeker"))[0]["NetworkSettings"]["Networks"]
            out = daemon.docker("exec", "seeker", "ping", "-c1", "-W2", "host.docker.internal")
            assert out.returncode == 0, out.stderr
            assert f"({told[network]['Gateway']})" in out.stdout
        finally:
            remove(daemon, "seeker")


def test_links_give_a_name_to_one_container_only(daemon: Daemon) -> None:
    run(daemon, "db")
    run(daemon, "app", "--link", "db:database")
    run(daemon, "other")
    try:
        assert address(daemon, "db") in lookup(daemon, "app", "database")
        assert address(daemon, "db") not in lookup(daemon, "other", "database")
    finally:
        remove(daemon, "db", "app", "other")


def test_names_survive_both_the_daemon_and_the_name_server(daemon: Daemon) -> None:
    run(daemon, "left")
    run(daemon, "right")
    try:
        told = address(daemon, "right")
        pid = ok(daemon, "inspect", "-f", "{{.State.Pid}}", "left").strip()
        daemon.kill9()
        ask = ("nsenter", "-t", pid, "-n", "/bin/busybox", "nslookup", "right", "127.0.0.11")
        assert told in daemon.namespaces.run(*ask).stdout
        daemon.start()
        assert told in lookup(daemon, "left", "right")
        running = daemon.namespaces.processes()
        (server,) = [one for one, name in running.items() if "wharfie.resolver" in name]
        os.kill(server, signal.SIGKILL)
        for _ in poll("an answer of the new name server", 10):
            if told in lookup(daemon, "left", "right"):
                break
    finally:
        remove(daemon, "left", "right")


@pytest.mark.parametrize("alias", ["localhost", "*.example.test", "host.docker.internal"])
def test_f6_no_alias_takes_a_name_that_is_everybodys(daemon: Daemon, alias: str) -> None:
    done = daemon.docker("create", "--network", "one", "--network-alias", alias, "busybox", "true")
    assert done.returncode == 1
    assert "no container may take this name" in done.stderr


def test_f6_a_name_of_another_network_stays_that_networks(daemon: Daemon) -> None:
    run(daemon, "bank", network="two")
    run(daemon, "customer", network="two")
    run(daemon, "thief", "--network-alias", "bank")
    run(daemon, "victim")
    try:
        assert address(daemon, "bank", "two") in lookup(daemon, "customer", "bank")
        assert address(daemon, "thief") not in lookup(daemon, "customer", "bank")
        assert address(daemon, "thief") in lookup(daemon, "victim", "bank")
    finally:
        remove(daemon, "bank", "customer", "thief", "victim")


def test_a_renamed_container_is_found_by_its_new_name_alone(daemon: Daemon) -> None:
    run(daemon, "caterpillar")
    run(daemon, "watcher")
    try:
        told = address(daemon, "caterpillar")
        ok(daemon, "rename", "caterpillar", "butterfly")
        assert told in lookup(daemon, "watcher", "butterfly")
        assert told not in lookup(daemon, "watcher", "caterpillar")
    finally:
        remove(daemon, "butterfly", "watcher")


def test_a_container_may_have_a_name_server_of_its_own(daemon: Daemon) -> None:
    """Port 53 is free inside, also for sockets that share it with nobody."""
    run(daemon, "dns")
    run(daemon, "asker")
    try:
        pid = ok(daemon, "inspect", "-f", "{{.State.Pid}}", "dns").strip()
        script = (
            "import socket\n"
            "for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):\n"
            "    one = socket.socket(socket.AF_INET, kind)\n"
            "    one.bind(('0.0.0.0', 53))\n"
            "    kind is socket.SOCK_STREAM and one.listen()\n"
        )
        command = ("nsenter", "-t", pid, "-n", sys.executable, "-c", script)
        daemon.namespaces.check(*command)
        assert address(daemon, "asker") in lookup(daemon, "dns", "asker")
    finally:
        remove(daemon, "dns", "asker")


def test_questions_over_tcp_are_answered_and_passed_on(daemon: Daemon) -> None:
    run(daemon, "asker")
    try:
        pid = ok(daemon, "inspect", "-f", "{{.State.Pid}}", "asker").strip()
        script = (
            "import socket\n"
            "q = lambda n: bytes(4)[:2] + b'\\1\\0\\0\\1' + bytes(6) + b''.join(bytes([len(p)])"
            " + p for p in n.split(b'.')) + b'\\0\\0\\1\\0\\1'\n"
            "s = socket.create_connection(('127.0.0.11', 53), 10)\n"
            "for name in (b'asker', b'www.example.test'):\n"
            "    s.sendall(len(q(name)).to_bytes(2, 'big') + q(name))\n"
            "    data = s.recv(4096)\n"
            "    print('.'.join(map(str, data[-4:])))\n"
        )
        told = daemon.namespaces.check("nsenter", "-t", pid, "-n", sys.executable, "-c", script)
        assert told.split() == [address(daemon, "asker"), "203.0.113.77"]
    finally:
        remove(daemon, "asker")


def test_f1_nothing_is_forwarded_from_internal_networks(
    daemon: Daemon, resolver: HostResolver
) -> None:
    """CVE-2024-29018; the twin sees that the same question does reach the host's resolver."""
    run(daemon, "inside", network="inner")
    run(daemon, "outside")
    try:
        assert OUTSIDE not in lookup(daemon, "inside", "leak.example.test")
        assert "leak" not in "".join(resolver.asked)
        assert OUTSIDE in lookup(daemon, "outside", "benign.example.test")
        assert "benign" in "".join(resolver.asked)
    finally:
        remove(daemon, "inside", "outside")


def test_forwarding_follows_the_hosts_resolv_conf(daemon: Daemon, resolver: HostResolver) -> None:
    run(daemon, "follower")
    try:
        resolver.conf.write_text("nameserver 127.0.0.9\n")
        for _ in poll("the new server to be asked", 10):
            if OUTSIDE not in lookup(daemon, "follower", "www.example.test"):
                break
        resolver.conf.write_text("nameserver 127.0.0.9\nnameserver 127.0.0.1\n")
        for _ in poll("the second server to be asked", 10):
            if OUTSIDE in lookup(daemon, "follower", "www.example.test"):
                break
    finally:
        resolver.conf.write_text("nameserver 127.0.0.1\n")
        remove(daemon, "follower")
