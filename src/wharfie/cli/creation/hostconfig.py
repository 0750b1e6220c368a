"""The HostConfig part of a create body: how the host runs it."""

from __future__ import annotations

import os

from wharfie.cli.creation.config import wrong
from wharfie.cli.creation.devices import split_devices
from wharfie.cli.creation.networks import Attachment
from wharfie.cli.creation.security import security_options
from wharfie.formats.mountspec import split_volume
from wharfie.formats.network.ports import PortMapping
from wharfie.formats.pflag import Values

_MODES = {
    "pid": ("PidMode", ("", "host"), "--pid: invalid PID mode"),
    "uts": ("UTSMode", ("", "host"), "--uts: invalid UTS mode"),
    "userns": ("UsernsMode", ("", "host"), "--userns: invalid USER mode"),
    "cgroupns": ("CgroupnsMode", ("", "host", "private"), "--cgroupns: invalid CGROUP mode"),
}
_NUMBERS = {
    "CpuShares": "cpu-shares",
    "Memory": "memory",
    "NanoCpus": "cpus",
    "BlkioWeight": "blkio-weight",
    "CpuPeriod": "cpu-period",
    "CpuQuota": "cpu-quota",
    "CpuRealtimePeriod": "cpu-rt-period",
    "CpuRealtimeRuntime": "cpu-rt-runtime",
    "MemoryReservation": "memory-reservation",
    "MemorySwap": "memory-swap",
    "PidsLimit": "pids-limit",
    "CpuCount": "cpu-count",
    "CpuPercent": "cpu-percent",
    "IOMaximumIOps": "io-maxiops",
    "IOMaximumBandwidth": "io-maxbandwidth",
}
_TEXTS = {"CgroupParent": "cgroup-parent", "CpusetCpus": "cpuset-cpus", "CpusetMems": "cpuset-mems"}
_OBJECTS = {
    "BlkioWeightDevice": "blkio-weight-device",
    "BlkioDeviceReadBps": "device-read-bps",
    "BlkioDeviceWriteBps": "device-write-bps",
    "BlkioDeviceReadIOps": "device-read-iops",
    "BlkioDeviceWriteIOps": "device-write-iops",
}


def binds(flags: Values) -> list[str]:
    """Return the `-v` values that name a source; relative host paths become absolute."""
    found: list[str] = []
    for text in flags.items("volume"):
        source, kind = split_volume(text)
        if not source:
            continue
        if kind == "bind" and source.startswith("."):
            text = os.path.abspath(source) + text[len(source) :]  # noqa: PLW2901
        if text not in found:
            found.append(text)
    return found


def parse_restart(text: str) -> dict[str, object]:
    """Read a `--restart` value."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise wrong("invalid restart policy format: no policy provided before colon")
    retries = 0
    if count:
        try:
            retries = int(count)
        except ValueError:
            raise wrong(
                "invalid restart policy format: maximum retry count must be an integer"
            ) from None
    return {"Name": name, "MaximumRetryCount": retries}


def capabilities(names: list[str]) -> list[str] | None:
    """Return capabilities in their full spelling, sorted, each once."""
    found = set()
    for name in names:
        upper = name.strip().upper()
        found.add(upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}")
    return sorted(found) or None


def port_bindings(mappings: list[PortMapping]) -> dict[str, object]:
    """Return the mappings by container port."""
    found: dict[str, object] = {}
    for mapping in mappings:
        bound = found.setdefault(mapping.container, [])
        assert isinstance(bound, list)
        binding: dict[str, object] = {"HostIp": mapping.host_ip, "HostPort": mapping.host_port}
        if mapping.allow_from:
            binding["AllowFrom"] = mapping.allow_from
        bound.append(binding)
    return found


def _log_config(flags: Values) -> dict[str, object]:
    driver = flags.text("log-driver")
    options = _pairs(flags.items("log-opt"))
    if driver == "none" and options:
        raise wrong(f"invalid logging opts for driver {driver}")
    return {"Type": driver, "Config": options}


def _pairs(texts: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _storage(flags: Values) -> dict[str, str]:
    for text in flags.items("storage-opt"):
        if "=" not in text:
            raise wrong("invalid storage option")
    return _pairs(flags.items("storage-opt"))


def _modes(flags: Values) -> dict[str, object]:
    found: dict[str, object] = {}
    for flag, (name, allowed, message) in _MODES.items():
        value = flags.text(flag)
        joins = flag == "pid" and value.startswith("container:") and value != "container:"
        if value not in allowed and not joins:
            raise wrong(message)
        found[name] = value
    found["IpcMode"] = flags.text("ipc")
    return found


def _resources(flags: Values) -> dict[str, object]:
    swappiness = flags.number("memory-swappiness")
    if swappiness != -1 and not 0 <= swappiness <= 100:
        raise wrong(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    devices, cdi = split_devices(flags.items("device"))
    requests = flags.objects("gpus")
    if cdi:
        requests.append(
            {"Driver": "cdi", "Count": 0, "DeviceIDs": cdi, "Capabilities": None, "Options": None}
        )
    found: dict[str, object] = {name: flags.number(flag) for name, flag in _NUMBERS.items()}
    found.update({name: flags.text(flag) for name, flag in _TEXTS.items()})
    found.update({name: flags.objects(flag) for name, flag in _OBJECTS.items()})
    limits = [limit for limit in flags.objects("ulimit") if isinstance(limit, dict)]
    by_name = {limit["Name"]: limit for limit in limits}
    found["Ulimits"] = [by_name[name] for name in sorted(by_name)]
    found.update(
        {
            "MemorySwappiness": swappiness,
            "OomKillDisable": flags.on("oom-kill-disable"),
            "Devices": devices,
            "DeviceCgroupRules": flags.items("device-cgroup-rule") or None,
            "DeviceRequests": requests or None,
        }
    )
    return found


def host_config(
    flags: Values, networks: list[Attachment], mappings: list[PortMapping], console: tuple[int, int]
) -> dict[str, object]:
    """Build the HostConfig; `console` is the terminal's height and width."""
    security, unmasked = security_options(flags.items("security-opt"))
    restart = parse_restart(flags.text("restart"))
    if flags.on("rm") and restart["Name"] not in {"", "no"}:
        raise wrong("conflicting options: cannot specify both --restart and --rm")
    config: dict[str, object] = {
        "Binds": binds(flags) or None,
        "ContainerIDFile": flags.text("cidfile"),
        "LogConfig": _log_config(flags),
        "NetworkMode": networks[0].target,
        "PortBindings": port_bindings(mappings),
        "RestartPolicy": restart,
        "AutoRemove": flags.on("rm"),
        "VolumeDriver": flags.text("volume-driver"),
        "VolumesFrom": flags.items("volumes-from") or None,
        "ConsoleSize": list(console),
        "CapAdd": capabilities(flags.items("cap-add")),
        "CapDrop": capabilities(flags.items("cap-drop")),
        "Dns": flags.items("dns"),
        "DnsOptions": [*flags.items("dns-option"), *flags.items("dns-opt")],
        "DnsSearch": flags.items("dns-search"),
        "ExtraHosts": flags.items("add-host") or None,
        "GroupAdd": flags.items("group-add") or None,
        "Cgroup": "",
        "Links": flags.items("link") or None,
        "OomScoreAdj": flags.number("oom-score-adj"),
        "Privileged": flags.on("privileged"),
        "PublishAllPorts": flags.on("publish-all"),
        "ReadonlyRootfs": flags.on("read-only"),
        "SecurityOpt": security or None,
        "ShmSize": flags.number("shm-size"),
        "Isolation": flags.text("isolation"),
        "MaskedPaths": [] if unmasked else None,
        "ReadonlyPaths": [] if unmasked else None,
    }
    config.update(_modes(flags))
    config.update(_resources(flags))
    optional: dict[str, object] = {
        "Annotations": flags.pairs("annotation"),
        "Mounts": flags.objects("mount"),
        "Runtime": flags.text("runtime"),
        "StorageOpt": _storage(flags),
        "Sysctls": flags.pairs("sysctl"),
        "Tmpfs": {path: options for path, _, options in _tmpfs(flags)},
    }
    config.update({name: value for name, value in optional.items() if value})
    if flags.has("init"):
        config["Init"] = flags.on("init")
    return config


def _tmpfs(flags: Values) -> list[tuple[str, str, str]]:
    return [text.partition(":") for text in flags.items("tmpfs")]
