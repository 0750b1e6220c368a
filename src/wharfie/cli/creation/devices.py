"""`--device` and `--gpus`."""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.formats.fields import split_fields


def _is_cdi(text: str) -> bool:
    """Tell whether it is a qualified CDI name, `vendor/class=name`."""
    kind, equals, name = text.partition("=")
    vendor, slash, klass = kind.partition("/")
    if not (equals and slash and vendor and klass and name):
        return False
    parts = (vendor, klass, name)
    return vendor[0].isalpha() and all(
        all(char.isalnum() or char in "_-.:" for char in part) for part in parts
    )


def _is_mode(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def parse_device(text: str) -> dict[str, object]:
    """Read `host[:container[:permissions]]`."""
    _check_device(text)
    parts = text.split(":")
    source = parts[0]
    target, access = "", "rwm"
    if len(parts) == 3:
        access = parts[2]
    if len(parts) > 1:
        if _is_mode(parts[1]):
            access = parts[1]
        else:
            target = parts[1]
    return {
        "PathOnHost": source,
        "PathInContainer": target or source,
        "CgroupPermissions": access,
    }


def _check_device(text: str) -> None:
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise CommandError(f"bad format for path: {text}", code=125)
    path = parts[1] if len(parts) > 1 and not _is_mode(parts[1]) else parts[0]
    if not os.path.isabs(path):
        raise CommandError(f"{path} is not an absolute path", code=125)
    if len(parts) == 3 and not _is_mode(parts[2]):
        raise CommandError(f"bad mode specified: {parts[2]}", code=125)


def split_devices(texts: list[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Return the devices, and apart from them the CDI names."""
    plain = [parse_device(text) for text in texts if not _is_cdi(text)]
    return plain, [text for text in texts if _is_cdi(text)]


def parse_gpus(text: str) -> dict[str, object]:
    """Read one `--gpus` value: `all`, a number, or `driver=,count=,device=,capabilities=`.

    Raises:
        ValueError: in Docker's words.
    """
    request: dict[str, object] = {
        "Driver": "",
        "Count": 0,
        "DeviceIDs": None,
        "Capabilities": [],
        "Options": {},
    }
    seen: set[str] = set()
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not equals:
            seen.add("count")
            request["Count"] = _gpu_count(key)
        else:
            _take_gpu(request, key, value, field)
    if "count" not in seen and request["DeviceIDs"] is None:
        request["Count"] = 1
    capabilities = request["Capabilities"]
    if not capabilities:
        request["Capabilities"] = [["gpu"]]
    return request


def _take_gpu(request: dict[str, object], key: str, value: str, field: str) -> None:
    if key == "driver":
        request["Driver"] = value
    elif key == "count":
        request["Count"] = _gpu_count(value)
    elif key == "device":
        request["DeviceIDs"] = list(value.split(","))
    elif key == "capabilities":
        wanted = [*value.split(","), "gpu"]
        request["Capabilities"] = [sorted(set(wanted), key=wanted.index)]
    elif key == "options":
        pairs = (option.partition("=") for option in split_fields(value))
        request["Options"] = {name: text for name, _, text in pairs}
    else:
        raise ValueError(f"unexpected key '{key}' in '{field}'")


def _gpu_count(text: str) -> int:
    if text == "all":
        return -1
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f'invalid count ({text}): value must be either "all" or an integer: invalid syntax'
        ) from None
