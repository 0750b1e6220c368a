"""Contents of /etc/hosts and /etc/resolv.conf."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.managed_files import hosts_file, resolv_conf
from wharfie.model.ids import EndpointId, NetworkId
from wharfie.model.network import Connection, Endpoint

ENDPOINT = Endpoint(
    id=EndpointId("e"),
    network_id=NetworkId("n"),
    interface="eth0",
    host_interface="veth",
    mac_address="",
    address="172.17.0.2",
    prefix=16,
    gateway="172.17.0.1",
)
CONNECTION = Connection(sandbox_id="s", namespace="/n", endpoints={"bridge": ENDPOINT})


def hosts(**changes: object) -> str:
    arguments: dict[str, object] = {
        "hostname": "web",
        "domainname": "",
        "extra_hosts": [],
        "connection": CONNECTION,
        "host_gateway": "",
        **changes,
    }
    return hosts_file(**arguments)  # type: ignore[arg-type]


def test_a_container_knows_itself_by_its_address() -> None:
    lines = hosts().splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-1] == "172.17.0.2\tweb"


def test_a_domain_gives_the_long_name_too() -> None:
    assert hosts(domainname="example.org").endswith("172.17.0.2\tweb.example.org web\n")


def test_extra_hosts_stand_before_and_host_gateway_is_the_gateway() -> None:
    text = hosts(extra_hosts=["db:10.0.0.9", "six:[::2]", "host.docker.internal:host-gateway"])
    assert "10.0.0.9\tdb\n::2\tsix\n172.17.0.1\thost.docker.internal\n172.17.0.2\tweb\n" in text


def test_in_the_hosts_network_the_hosts_file_is_extended() -> None:
    text = hosts(connection=None, of_host="127.0.0.1 me\n", extra_hosts=["db:10.0.0.9"])
    assert text == "127.0.0.1 me\n10.0.0.9\tdb\n"


def resolved(text: str, **changes: object) -> str:
    arguments: dict[str, object] = {
        "servers": [],
        "search": [],
        "options": [],
        "host_network": False,
        **changes,
    }
    return resolv_conf(text, **arguments)  # type: ignore[arg-type]


def test_servers_on_loopback_and_ipv6_cannot_be_reached_from_a_container() -> None:
    text = "nameserver 127.0.0.53\nnameserver 192.0.2.1 # ours\nnameserver fe80::1%eth0\n"
    assert resolved(text) == "nameserver 192.0.2.1\n"
    assert resolved(text, host_network=True).count("nameserver") == 3


@pytest.mark.parametrize("text", ["", "nameserver 127.0.0.1\n", "nameserver nonsense\n", "\0\n"])
def test_without_a_reachable_server_public_ones_are_used(text: str) -> None:
    assert resolved(text) == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_given_values_replace_the_hosts() -> None:
    text = "domain old\nsearch a b\noptions ndots:2\nnameserver 192.0.2.1\n"
    assert resolved(text) == "nameserver 192.0.2.1\nsearch a b\noptions ndots:2\n"
    assert resolved(text, servers=["9.9.9.9"], search=["x"], options=["rotate"]) == (
        "nameserver 9.9.9.9\nsearch x\noptions rotate\n"
    )
    assert "search" not in resolved(text, search=["."])
