"""`iptables` and `ip6tables` off: no rule is made, and published ports are relayed by a program."""

from __future__ import annotations

import pytest

from support.daemon import Daemon
from support.echoing import Echo, ask

pytestmark = pytest.mark.root

OFF = ("--iptables=false", "--ip6tables=false")


def rules(daemon: Daemon) -> str:
    """What stands in the kernel, of whatever table."""
    return daemon.namespaces.run("nft", "list", "ruleset").stdout


def test_networks_and_ports_work_without_a_rule() -> None:
    with Daemon(*OFF) as daemon:
        daemon.start()
        daemon.load_busybox()
        made = daemon.docker("network", "create", "--ipv6", "both")
        assert made.returncode == 0, made.stderr
        with Echo(daemon, "echo", "tcp", "--network", "both", "-p", "8080:80"):
            told = daemon.docker("port", "echo").stdout.split("\n")
            assert set(told) >= {"80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"}
            assert ask(daemon, "tcp", "127.0.0.1", 8080, 3_000_000)
            assert ask(daemon, "tcp", "::1", 8080)
            asking = ("busybox", "nslookup", "echo")
            found = daemon.docker("run", "--rm", "--network", "both", *asking)
            assert found.returncode == 0, found.stdout + found.stderr
            daemon.kill9()
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            daemon.start()
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            assert rules(daemon) == ""
        with Echo(daemon, "echo", "udp", "-p", "127.0.0.1:8081:80/udp"):
            assert ask(daemon, "udp", "127.0.0.1", 8081)
        assert not ask(daemon, "udp", "127.0.0.1", 8081)
        taken = daemon.docker("run", "-d", "-p", "8082:80", "busybox", "sleep", "60")
        assert taken.returncode == 0, taken.stderr
        again = daemon.docker("run", "--rm", "-p", "8082:80", "busybox", "true")
        assert "Bind for 0.0.0.0:8082 failed: port is already allocated" in again.stderr
        assert rules(daemon) == ""
        localnet = daemon.namespaces.run("cat", "/proc/sys/net/ipv4/conf/docker0/route_localnet")
        assert localnet.stdout == "0\n"  # nothing would keep neighbours from 127.0.0.1


def test_one_family_alone() -> None:
    with Daemon("--ip6tables=false") as daemon:
        daemon.start()
        daemon.load_busybox()
        assert daemon.docker("network", "create", "--ipv6", "both").returncode == 0
        with Echo(daemon, "echo", "tcp", "--network", "both", "-p", "8080:80"):
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            assert ask(daemon, "tcp", "::1", 8080)
            assert "table ip wharfie" in rules(daemon)
            assert "table ip6" not in rules(daemon)


def test_turned_off_and_on_under_a_running_container() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        with Echo(daemon, "echo", "tcp", "-p", "8080:80"):
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            assert "table ip wharfie {" in rules(daemon)
            daemon.restart(*OFF)
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            assert "table ip wharfie {" not in rules(daemon)
            daemon.restart()
            assert ask(daemon, "tcp", "127.0.0.1", 8080)
            assert "table ip wharfie {" in rules(daemon)
            assert "another program" not in daemon.log()
            taken = daemon.docker("run", "--rm", "-p", "8080:80", "busybox", "true")
            assert "Bind for 0.0.0.0:8080 failed: port is already allocated" in taken.stderr


def test_without_proxy_ports_are_held_and_served_by_nobody() -> None:
    """As dockerd 28.5 does: what is of another family than the container is left out."""
    with Daemon(*OFF, "--userland-proxy=false") as daemon:
        daemon.start()
        daemon.load_busybox()
        with Echo(daemon, "echo", "tcp", "-p", "8080:80"):
            assert daemon.docker("port", "echo").stdout == "80/tcp -> 0.0.0.0:8080\n"
            assert not ask(daemon, "tcp", "127.0.0.1", 8080)
            assert "0.0.0.0:8080" in daemon.namespaces.run("ss", "-Htln").stdout


def test_keeping_containers_apart_needs_rules() -> None:
    with Daemon("--iptables=false", "--icc=false") as daemon:
        with pytest.raises(RuntimeError) as refused:
            daemon.start()
        assert (
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. "
            "Please set --icc or --iptables to true"
        ) in str(refused.value)
