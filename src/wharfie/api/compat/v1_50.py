"""1.50: an image's config no longer shows what only containers have; info has no bridge filters."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import IMAGE_INSPECT, INFO, Change

_OF_CONTAINERS: Document = {
    "Hostname": "",
    "Domainname": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Image": "",
}


def _image(reply: object) -> object:
    if isinstance(reply, dict) and isinstance(reply.get("Config"), dict):
        reply["Config"] = {**_OF_CONTAINERS, **reply["Config"]}
    return reply


def _info(reply: object) -> object:
    if isinstance(reply, dict):
        reply["BridgeNfIptables"] = False
        reply["BridgeNfIp6tables"] = False
    return reply


CHANGE = Change(version=(1, 50), replies={IMAGE_INSPECT: _image, INFO: _info})
