from __future__ import annotations

import pytest

from wharfie.drivers.network import options
from wharfie.drivers.network.options import BridgeOptions
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import NetworkId
from wharfie.model.network import Network


def _network(ipv6: bool = False, **more: str) -> Network:
    return Network(
        id=NetworkId("abcdef0123456789" * 4), name="n", created="", options=more, enable_ipv6=ipv6
    )


def test_a_network_without_options_has_dockers_defaults() -> None:
    assert BridgeOptions.of(_network()) == BridgeOptions(bridge="br-abcdef012345")


def test_options_are_read() -> None:
    read = BridgeOptions.of(
        _network(
            **{
                options.BRIDGE_NAME: "lab0",
                options.ENABLE_ICC: "false",
                options.ENABLE_MASQUERADE: "0",
                options.HOST_BINDING: "127.0.0.1",
                options.MTU: "1400",
                options.INTERFACE_PREFIX: "net",
                "com.example.unknown": "kept",
            }
        )
    )
    assert read == BridgeOptions(
        bridge="lab0",
        icc=False,
        masquerade=False,
        host_binding="127.0.0.1",
        prefix="net",
        mtu=1400,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (options.ENABLE_ICC, "maybe"),
        (options.MTU, "many"),
        (options.MTU, "67"),
        (options.MTU, "70000"),
        (options.BRIDGE_NAME, "a/b"),
        (options.BRIDGE_NAME, ".."),
        (options.BRIDGE_NAME, "x" * 16),
        (options.BRIDGE_NAME, "a b"),
        (options.HOST_BINDING, "::1"),
        (options.INTERFACE_PREFIX, "x" * 13),
    ],
)
def test_malformed_options_are_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidArgument):
        BridgeOptions.of(_network(**{key: value}))


def test_gateway_modes() -> None:
    made = BridgeOptions.of(_network(**{options.GATEWAY_MODE: "routed"}))
    assert (made.mode(4), made.mode(6)) == ("routed", "nat")
    for mode in ("isolated", "open"):
        with pytest.raises(InvalidArgument):
            BridgeOptions.of(_network(**{options.GATEWAY_MODE_IPV6: mode}))
