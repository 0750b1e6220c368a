"""Which networks a container is part of, and what inspect shows."""

from __future__ import annotations

import pytest
from msgspec import structs

from wharfie.engine.containers.networking import (
    attachments,
    connected,
    disconnected,
    parse_mode,
    wanted_ports,
)
from wharfie.model.container import Config, Container, CreateSpec, HostConfig, NetworkingConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import ContainerId, EndpointId, ImageId, NetworkId
from wharfie.model.network import (
    Connection,
    Endpoint,
    EndpointIPAMConfig,
    EndpointSettings,
    Network,
    PortBinding,
    PublishedPort,
)


def find(ref: str) -> Network:
    name = ref.removesuffix("-id")
    return Network(id=NetworkId(f"{name}-id"), name=name, created="")


def joined(mode: str, endpoints: dict[str, EndpointSettings | None] | None = None):
    spec = CreateSpec(
        config=Config(),
        host_config=HostConfig(network_mode=mode),
        networking=NetworkingConfig(endpoints),
    )
    return attachments(spec, "c" * 64, "web", find)


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("", "network", "bridge"),
        ("default", "network", "bridge"),
        ("host", "host", "host"),
        ("none", "none", "none"),
        ("container:db", "container", "db"),
        ("backend", "network", "backend"),
    ],
)
def test_modes(text: str, kind: str, target: str) -> None:
    mode = parse_mode(text)
    assert (mode.kind, mode.target) == (kind, target)


def test_the_default_bridge_has_no_names() -> None:
    (attachment,) = joined("default").values()
    assert attachment.settings.network_id == "bridge-id"
    assert attachment.settings.dns_names is None


def test_a_user_defined_network_knows_name_alias_and_short_id() -> None:
    wanted = {"backend": EndpointSettings(aliases=["db", "web"])}
    (attachment,) = joined("backend", wanted).values()
    assert attachment.settings.dns_names == ["web", "db", "c" * 12]
    assert attachment.settings.aliases == ["db", "web"]


def test_the_network_of_the_mode_comes_first() -> None:
    wanted = {"a": None, "backend-id": EndpointSettings(mac_address="02:00:00:00:00:01")}
    chosen = joined("backend", wanted)
    assert list(chosen) == ["backend", "a"]
    assert chosen["backend"].requested_mac == "02:00:00:00:00:01"


def test_the_default_bridge_takes_neither_alias_nor_address() -> None:
    settings = EndpointSettings(
        aliases=["x"], ipam_config=EndpointIPAMConfig(ipv4_address="172.17.0.9")
    )
    with pytest.raises(InvalidArgument) as caught:
        joined("bridge", {"bridge": settings})
    assert str(caught.value) == (
        "invalid config for network bridge: invalid endpoint settings:\n"
        "network-scoped aliases are only supported for user-defined networks\n"
        "user specified IP address is supported on user defined networks only"
    )


def test_another_containers_network_means_none_of_its_own() -> None:
    assert joined("container:db") == {}


def test_publish_all_takes_exposed_ports_and_keeps_explicit_bindings() -> None:
    config = Config(exposed_ports={"80/tcp": {}, "53/udp": {}})
    explicit = {"80": [PortBinding("", "8080")]}
    host = HostConfig(publish_all_ports=True, port_bindings=explicit)
    assert wanted_ports(config, host) == {
        "80/tcp": [PortBinding("", "8080")],
        "53/udp": [PortBinding()],
    }


def test_live_settings_appear_and_disappear() -> None:
    container = Container(
        id=ContainerId("c" * 64),
        name="web",
        created="",
        created_at=0,
        path="true",
        args=[],
        config=Config(exposed_ports={"443/tcp": {}}),
        host_config=HostConfig(port_bindings={"80/tcp": [PortBinding()]}),
        image=ImageId(""),
        image_ref="",
        networks=joined("bridge"),
    )
    endpoint = Endpoint(
        id=EndpointId("e"),
        network_id=NetworkId("bridge-id"),
        interface="eth0",
        host_interface="veth",
        mac_address="02:42:ac:11:00:02",
        address="172.17.0.2",
        prefix=16,
        gateway="172.17.0.1",
    )
    live = connected(
        container,
        Connection(
            sandbox_id="s",
            namespace="/n",
            endpoints={"bridge": endpoint},
            ports=[
                PublishedPort(80, "tcp", "0.0.0.0", 32768),
                PublishedPort(80, "tcp", "::", 32768),
            ],
        ),
    )
    assert live.networks["bridge"].settings.ip_address == "172.17.0.2"
    assert live.ports == {
        "443/tcp": None,
        "80/tcp": [PortBinding("0.0.0.0", "32768"), PortBinding("::", "32768")],
    }
    down = disconnected(live)
    assert down == structs.replace(container, ports={}, sandbox_id="")
