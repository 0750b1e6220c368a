"""1.45: volume subpaths; aliases are the user's alone; images show no build container."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import (
    CREATE,
    IMAGE_INSPECT,
    INSPECT,
    Change,
    member,
    members,
    take,
)
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import short

_NO_CONFIG: Document = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def _create(document: Document) -> None:
    for mount in members(member(document, "HostConfig"), "Mounts"):
        options = member(mount, "VolumeOptions")
        key = take(options, "Subpath")
        if key is not None and options[key]:
            raise InvalidArgument("VolumeOptions.Subpath needs API v1.45 or newer")


def _inspect(reply: object) -> object:
    if not isinstance(reply, dict):
        return reply
    short_id = short(str(reply.get("Id", "")))
    for name, settings in member(member(reply, "NetworkSettings"), "Networks").items():
        if isinstance(settings, dict) and name not in ("bridge", "host", "none"):
            aliases = settings.get("Aliases")
            known = aliases if isinstance(aliases, list) else []
            settings["Aliases"] = known if short_id in known else [*known, short_id]
    return reply


def _image(reply: object) -> object:
    if isinstance(reply, dict):
        reply["Container"] = ""
        reply["ContainerConfig"] = dict(_NO_CONFIG)
    return reply


CHANGE = Change(
    version=(1, 45),
    documents={CREATE: _create},
    replies={INSPECT: _inspect, IMAGE_INSPECT: _image},
)
