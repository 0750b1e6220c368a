"""Devices a container may use: standard ones, `--device`, cgroup rules, all when privileged.

Source: behaviours 182, 183; docker run, "--device" and "--device-cgroup-rule".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from wharfie.drivers.runtime.cdi import check_requests
from wharfie.formats.oci.runtime import Device, DeviceRule
from wharfie.kernel.devices import DeviceNode, NotADevice, device_at, devices_below
from wharfie.model.container import DeviceMapping, HostConfig
from wharfie.model.errors import InvalidArgument

_RULE = re.compile(r"([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})")
_DENY_ALL = DeviceRule(allow=False, access="rwm")
_ALLOW_ALL = DeviceRule(allow=True, access="rwm")


def _characters(major: int, minor: int, *, allow: bool = True) -> DeviceRule:
    return DeviceRule(allow=allow, type="c", major=major, minor=minor, access="rwm")


STANDARD_RULES = (
    _DENY_ALL,
    _characters(1, 5),
    _characters(1, 3),
    _characters(1, 9),
    _characters(1, 8),
    _characters(5, 0),
    _characters(5, 1),
    _characters(10, 229, allow=False),
)
"""zero, null, urandom, random, tty, console; fuse stays out. Runtimes add ptmx and pts."""


def check_devices(host: HostConfig) -> None:
    """Refuse what cannot be resolved on any host.

    Raises:
        InvalidArgument: a malformed cgroup rule or permission, or a device request.
    """
    for rule in host.device_cgroup_rules or ():
        parse_rule(rule)
    for mapping in host.devices or ():
        _permissions(mapping)
    check_requests(host.device_requests or ())


def container_devices(
    host: HostConfig, *, device_root: str = "/dev"
) -> tuple[tuple[Device, ...], tuple[DeviceRule, ...]]:
    """Nodes to make and cgroup rules of a container.

    Raises:
        InvalidArgument: a device that is not there, or a malformed rule.
    """
    check_devices(host)
    custom = tuple(parse_rule(rule) for rule in host.device_cgroup_rules or ())
    if host.privileged:
        found = {node.path: _device(node, node.path) for node in devices_below(device_root)}
        # A path given by hand may lie elsewhere or carry another name inside.
        for mapping in host.devices or ():
            for node, path in _mapped(mapping):
                found.setdefault(path, _device(node, path))
        return tuple(found.values()), (_ALLOW_ALL, *custom)
    nodes: list[Device] = []
    rules: list[DeviceRule] = list(STANDARD_RULES)
    for mapping in host.devices or ():
        for node, path in _mapped(mapping):
            nodes.append(_device(node, path))
            rules.append(
                DeviceRule(
                    allow=True,
                    type=node.type,
                    major=node.major,
                    minor=node.minor,
                    access=_permissions(mapping),
                )
            )
    return tuple(nodes), (*rules, *custom)


def parse_rule(text: str) -> DeviceRule:
    """Parse a `--device-cgroup-rule` such as "c 42:* rmw".

    Raises:
        InvalidArgument: another form.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = found.groups()
    return DeviceRule(
        allow=True,
        type=kind,
        major=None if major == "*" else int(major),
        minor=None if minor == "*" else int(minor),
        access=access,
    )


def _permissions(mapping: DeviceMapping) -> str:
    access = mapping.cgroup_permissions or "rwm"
    if set(access) - set("rwm") or len(access) > 3:
        raise InvalidArgument(f"invalid device mode: {access}")
    return access


def _mapped(mapping: DeviceMapping) -> Iterable[tuple[DeviceNode, str]]:
    """The devices of one mapping with their paths inside; a directory brings all it has."""
    host_path = mapping.path_on_host
    inside = mapping.path_in_container or host_path
    try:
        resolved = os.path.realpath(host_path, strict=True)
        if os.path.isdir(resolved):
            return [(n, inside + n.path[len(resolved) :]) for n in devices_below(resolved)]
        return [(device_at(resolved), inside)]
    except NotADevice as error:
        reason = str(error)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
    raise InvalidArgument(
        f'error gathering device information while adding custom device "{host_path}": {reason}'
    )


def _device(node: DeviceNode, path: str) -> Device:
    return Device(
        path=path,
        type=node.type,
        major=node.major,
        minor=node.minor,
        file_mode=node.mode,
        uid=node.uid,
        gid=node.gid,
    )
