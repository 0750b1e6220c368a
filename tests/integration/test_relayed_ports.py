"""Ports published on IPv6 for containers that have IPv4 alone: relayed by a program."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.echoing import Echo, ask
from support.netns import poll
from wharfie.drivers.network.publishing.service import has_sctp

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as made:
        made.start()
        made.load_busybox()
        yield made


@pytest.mark.parametrize(("kind", "size"), [("tcp", 3_000_000), ("udp", 1000)])
def test_b166_b167_a_port_is_reached_over_both_families(
    daemon: Daemon, kind: str, size: int
) -> None:
    with Echo(daemon, "echo", kind, "-p", f"8080:80/{kind}"):
        told = daemon.docker("port", "echo").stdout
        assert f"80/{kind} -> 0.0.0.0:8080" in told
        assert f"80/{kind} -> [::]:8080" in told
        assert ask(daemon, kind, "127.0.0.1", 8080, size)
        assert ask(daemon, kind, "::1", 8080, size)
    assert not ask(daemon, kind, "::1", 8080, 10)
    again = daemon.docker("run", "--rm", "-p", f"8080:80/{kind}", "busybox", "true")
    assert again.returncode == 0, again.stderr


@pytest.mark.skipif(not has_sctp(), reason="this kernel has no SCTP")
def test_b168_sctp_is_relayed_message_by_message(daemon: Daemon) -> None:
    with Echo(daemon, "echo", "sctp", "-p", "8090:80/sctp"):
        assert "80/sctp -> [::]:8090" in daemon.docker("port", "echo").stdout
        assert ask(daemon, "sctp", "127.0.0.1", 8090, 1000)
        assert ask(daemon, "sctp", "::1", 8090, 1000)
        assert ask(daemon, "sctp", "::1", 8090, 40_000)
    assert not ask(daemon, "sctp", "::1", 8090)


@pytest.mark.skipif(has_sctp(), reason="this kernel has SCTP")
def test_b168_sctp_that_only_a_program_could_serve_is_refused_without_sockets(
    daemon: Daemon,
) -> None:
    flags = ("--rm", "-p", "[::1]:8091:80/sctp", "busybox", "true")
    refused = daemon.docker("run", *flags)
    assert "cannot relay SCTP to [::1]: this kernel has no SCTP sockets" in refused.stderr
    assert daemon.docker("run", "--rm", "-p", "8092:80/sctp", "busybox", "true").returncode == 0


def test_loopback_alone_and_allowed_blocks(daemon: Daemon) -> None:
    flags = ["-p", "[::1]:8081:80", "-p", "8082:80,allow-from=127.0.0.0/8"]
    flags += ["-p", "8083:80,allow-from=2001:db8::/32", "-p", "8084:80,allow-from=::1"]
    with Echo(daemon, "echo", "tcp", *flags):
        told = daemon.docker("port", "echo").stdout
        assert "[::]:8082" not in told
        assert ask(daemon, "tcp", "::1", 8081)
        assert not ask(daemon, "tcp", "::1", 8082)
        assert not ask(daemon, "tcp", "::1", 8083)
        assert ask(daemon, "tcp", "::1", 8084)


def test_it_goes_on_without_the_daemon_and_after_the_relay(daemon: Daemon) -> None:
    with Echo(daemon, "echo", "tcp", "-p", "8085:80"):
        daemon.kill9()
        assert ask(daemon, "tcp", "::1", 8085)
        daemon.start()
        assert ask(daemon, "tcp", "::1", 8085)
        running = daemon.namespaces.processes()
        (server,) = [pid for pid, name in running.items() if "wharfie.resolver" in name]
        os.kill(server, signal.SIGKILL)
        for _ in poll("the relay to be replaced", 10):
            if ask(daemon, "tcp", "::1", 8085):
                break
    assert not ask(daemon, "tcp", "::1", 8085)
