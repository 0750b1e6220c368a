import pytest

from wharfie.drivers.runtime.devices import STANDARD_RULES, container_devices, parse_rule
from wharfie.formats.oci.runtime import DeviceRule
from wharfie.model.container import DeviceMapping, DeviceRequest, HostConfig
from wharfie.model.errors import InvalidArgument


def test_standard_rules_deny_first() -> None:
    nodes, rules = container_devices(HostConfig())
    assert nodes == ()
    assert rules == STANDARD_RULES
    assert rules[0] == DeviceRule(allow=False, access="rwm")


def test_a_device_brings_its_rule() -> None:
    mapping = DeviceMapping("/dev/null", "/dev/inside", "rw")
    nodes, rules = container_devices(HostConfig(devices=[mapping]))
    assert (nodes[0].path, nodes[0].type, nodes[0].major, nodes[0].minor) == (
        "/dev/inside",
        "c",
        1,
        3,
    )
    assert rules[-1] == DeviceRule(allow=True, type="c", major=1, minor=3, access="rw")


def test_custom_rules() -> None:
    assert parse_rule("c 42:* rm") == DeviceRule(allow=True, type="c", major=42, access="rm")
    assert parse_rule("a *:* rwm") == DeviceRule(allow=True, type="a", access="rwm")


@pytest.mark.parametrize("rule", ["", "c 1 rwm", "d 1:1 r", "c 1:1 x", "c 1:1 rwmr", "c 1:1 r\n"])
def test_malformed_rules(rule: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid device cgroup rule format"):
        parse_rule(rule)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/dev/nope", "no such file or directory"), ("/etc/passwd", "not a device node")],
)
def test_what_is_no_device(path: str, reason: str) -> None:
    with pytest.raises(
        InvalidArgument,
        match=f'error gathering device information while adding custom device "{path}": {reason}',
    ):
        container_devices(HostConfig(devices=[DeviceMapping(path, path)]))


def test_device_requests_have_no_driver() -> None:
    request = DeviceRequest(capabilities=[["gpu"]])
    with pytest.raises(InvalidArgument) as caught:
        container_devices(HostConfig(device_requests=[request]))
    assert str(caught.value) == ('could not select device driver "" with capabilities: [[gpu]]')
