"""Validation of single flag values, at the time they are parsed, in Docker's words."""

from __future__ import annotations

import os

from wharfie.formats.network.ports import is_ip
from wharfie.formats.pflag import parse_int
from wharfie.formats.units import parse_size

_SIGNS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ULIMITS = {
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
}
_SYSCTLS = {
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
}


def env(text: str) -> str:
    """`NAME=value`, or `NAME` to take over from our environment."""
    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    if not equals and name in os.environ:
        return f"{name}={os.environ[name]}"
    return text


def label(text: str) -> str:
    """`key=value` or `key`."""
    key = text.partition("=")[0].strip(" \t")
    if not key:
        raise ValueError(f"invalid label '{text}': empty name")
    if any(char in " \t" for char in key):
        raise ValueError(f"label '{text}' contains whitespaces")
    return text


def attach(text: str) -> str:
    """One of the three streams."""
    lowered = text.lower()
    if lowered not in {"stdin", "stdout", "stderr"}:
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return lowered


def extra_host(text: str) -> str:
    """`host:ip` or `host=ip`, brackets around an IPv6 address; stored with a colon."""
    separator = "=" if "=" in text else ":"
    host, found, ip = text.partition(separator)
    if not found or not host or not ip:
        raise ValueError(f"bad format for add-host: {json_quote(text)}")
    if ip != "host-gateway":
        bare = ip[1:-1] if ip.startswith("[") and ip.endswith("]") else ip
        if not is_ip(bare):
            raise ValueError(f"invalid IP address in add-host: {json_quote(bare)}")
        ip = bare
    return f"{host}:{ip}"


def json_quote(text: str) -> str:
    """Quote as Go's %q does for plain text."""
    from wharfie.formats.gojson import quote

    return quote(text)


def ip_address(text: str) -> str:
    """An IP address."""
    text = text.strip()
    if not is_ip(text):
        raise ValueError(f"IP address is not correctly formatted: {text}")
    return text


def dns_search(text: str) -> str:
    """A domain, or `.` for none."""
    text = text.strip(" ")
    if text == ".":
        return text
    labels = text.split(".")
    good = len(text) < 256 and all(
        part
        and len(part) < 64
        and part[0] != "-"
        and part[-1] != "-"
        and all(char in _SIGNS or char in "-_" for char in part)
        for part in labels
    )
    if not good or not any(char.isalpha() for char in text):
        raise ValueError(f"{text} is not a valid domain")
    return text


def link(text: str) -> str:
    """`container` or `container:alias`."""
    if not text:
        raise ValueError("empty string specified for links")
    if text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text


def sysctl(text: str) -> str:
    """A namespaced kernel setting."""
    key, equals, _ = text.partition("=")
    allowed = key in _SYSCTLS or key.startswith(("net.", "fs.mqueue."))
    if not equals or not allowed:
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text


def ulimit(text: str) -> dict[str, object]:
    """`name=soft[:hard]`."""
    name, equals, values = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    limits = values.split(":")
    if len(limits) > 2:
        raise ValueError(
            f"too many limit value arguments - {values}, can only have up to two, `soft[:hard]`"
        )
    soft = parse_int(limits[0])
    hard = parse_int(limits[1]) if len(limits) == 2 else soft
    if hard != -1 and (soft > hard or soft == -1):
        shown = f"{soft} > {hard}" if soft > hard else f"{soft} (unlimited) > {hard}"
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {shown}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def weight_device(text: str) -> dict[str, object]:
    """`/dev/x:weight`."""
    path, value = _device_value(text)
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"invalid weight for device: {text}")
    weight = int(value)
    if weight and not 10 <= weight <= 1000:
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": weight}


def _device_value(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon or not path or not value:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, value


def rate_bytes(text: str) -> dict[str, object]:
    """`/dev/x:1mb`."""
    path, value = _device_value(text)
    try:
        rate = parse_size(value)
    except ValueError:
        rate = -1
    if rate < 0:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is"
            " <device-path>:<number>[<unit>]. Number must be a positive integer."
            " Unit is optional and can be kb, mb, or gb"
        )
    return {"Path": path, "Rate": rate}


def rate_operations(text: str) -> dict[str, object]:
    """`/dev/x:1000`."""
    path, value = _device_value(text)
    if not (value.isascii() and value.isdigit()):
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(value)}


def memory_swap(text: str) -> int:
    """A size, or -1 for unlimited."""
    return -1 if text == "-1" else parse_size(text)


def device_rule(text: str) -> str:
    """`c 1:3 rwm`: a rule for the device cgroup."""
    words = text.split(" ")
    if len(words) == 3:
        kind, numbers, access = words
        major, colon, minor = numbers.partition(":")
        fits = all(part == "*" or (part.isascii() and part.isdigit()) for part in (major, minor))
        fits = fits and bool(colon) and kind in {"a", "b", "c"}
        if fits and 0 < len(access) <= 3 and set(access) <= set("rwm"):
            return text
    raise ValueError(f"invalid device cgroup format '{text}'")
