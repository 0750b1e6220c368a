"""The hardware address of a Config is its main endpoint's."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from wharfie.engine.containers.create.hardware_address import (
    DEPRECATED,
    move_hardware_address,
)
from wharfie.model.container import Config, CreateSpec, HostConfig, NetworkingConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.network import EndpointSettings

MAC = "02:42:ac:11:00:0a"


def spec(mode: str, mac: str = MAC, **endpoints: str) -> CreateSpec:
    settings = {name: EndpointSettings(mac_address=one) for name, one in endpoints.items()}
    return CreateSpec(
        config=Config(mac_address=mac or UNSET),
        host_config=HostConfig(network_mode=mode),
        networking=NetworkingConfig(settings or None),
    )


@pytest.mark.parametrize(
    ("mode", "endpoints", "name"),
    [
        ("", {}, "bridge"),
        ("default", {"default": ""}, "default"),
        ("bridge", {"bridge": MAC}, "bridge"),
        ("web", {"web": "", "other": "02:00:00:00:00:01"}, "web"),
    ],
)
def test_it_goes_to_the_endpoint_of_the_mode(mode: str, endpoints: dict[str, str], name: str):
    moved, warnings = move_hardware_address(spec(mode, **endpoints))
    made = moved.networking.endpoints_config or {}
    assert {key: one.mac_address for key, one in made.items() if one} == endpoints | {name: MAC}
    assert (moved.config.mac_address, warnings) == (MAC, [DEPRECATED])


@pytest.mark.parametrize("mode", ["host", "none", "container:x"])
def test_without_an_endpoint_it_is_dropped(mode: str) -> None:
    moved, warnings = move_hardware_address(spec(mode))
    assert (moved.config.mac_address, warnings) == (UNSET, [DEPRECATED])


def test_two_different_ones_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="must match the endpoint-specific MAC address"):
        move_hardware_address(spec("web", web="02:00:00:00:00:01"))


def test_one_of_the_endpoint_alone_is_told_in_the_config() -> None:
    moved, warnings = move_hardware_address(spec("web", "", web=MAC))
    assert (moved.config.mac_address, warnings) == (MAC, [])
