"""1.44: several networks at create, recursive read-only binds, start intervals; no VirtualSize."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import (
    CREATE,
    DISK_USAGE,
    IMAGE_INSPECT,
    IMAGE_LIST,
    INSPECT,
    Change,
    drop,
    items,
    member,
    members,
    take,
)
from wharfie.model.container import NEVER
from wharfie.model.errors import InvalidArgument


def _create(document: Document) -> None:
    drop(member(document, "Healthcheck"), "StartInterval")
    endpoints = member(member(document, "NetworkingConfig"), "EndpointsConfig")
    if len(endpoints) > 1:
        raise InvalidArgument(
            "Container cannot be created with multiple network endpoints: "
            + ", ".join(sorted(endpoints))
        )
    for settings in endpoints.values():
        if isinstance(settings, dict):
            drop(settings, "MacAddress")
    _move_hardware_address(document)
    for mount in members(member(document, "HostConfig"), "Mounts"):
        _keep_read_only_flat(mount)


def _move_hardware_address(document: Document) -> None:
    """The one of the whole container is that of its only endpoint, without a word about it."""
    key = take(document, "MacAddress")
    mac = document.pop(key) if key else None
    if not mac:
        return
    host = member(document, "HostConfig")
    mode = host.get(take(host, "NetworkMode") or "") or "default"
    if not isinstance(mode, str) or mode in ("host", "none") or mode.startswith("container:"):
        raise InvalidArgument("conflicting options: mac-address and the network mode")
    networking = _made(document, "NetworkingConfig")
    endpoints = _made(networking, "EndpointsConfig")
    name = next(iter(endpoints), mode)
    _made(endpoints, name)["MacAddress"] = mac


def _made(document: Document, name: str) -> Document:
    """An object inside an object, made where it is not there."""
    key = take(document, name)
    if key is None or document[key] is None:
        document[key or name] = {}
    return member(document, name)


def _keep_read_only_flat(mount: Document) -> None:
    kind, read_only = take(mount, "Type"), take(mount, "ReadOnly")
    if kind is None or mount[kind] != "bind" or read_only is None or not mount[read_only]:
        return
    key = take(mount, "BindOptions")
    options = member(mount, "BindOptions")
    drop(options, "ReadOnlyNonRecursive", "ReadOnlyForceRecursive")
    options["ReadOnlyNonRecursive"] = True
    mount[key or "BindOptions"] = options


def _inspect(reply: object) -> object:
    if isinstance(reply, dict):
        for settings in member(member(reply, "NetworkSettings"), "Networks").values():
            if isinstance(settings, dict):
                settings["DNSNames"] = None
    return reply


def _images(reply: object) -> object:
    for image in items(reply):
        image["VirtualSize"] = image.get("Size", 0)
    return reply


def _image(reply: object) -> object:
    if isinstance(reply, dict):
        reply["VirtualSize"] = reply.get("Size", 0)
        reply.setdefault("Created", NEVER)
    return reply


def _disk_usage(reply: object) -> object:
    if isinstance(reply, dict):
        _images(reply.get("Images"))
    return reply


CHANGE = Change(
    version=(1, 44),
    documents={CREATE: _create},
    replies={
        INSPECT: _inspect,
        IMAGE_LIST: _images,
        IMAGE_INSPECT: _image,
        DISK_USAGE: _disk_usage,
    },
)
