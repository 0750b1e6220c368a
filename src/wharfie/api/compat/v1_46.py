"""1.46: options of tmpfs mounts; annotations in lists of containers."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import CREATE, LIST, Change, drop, items, member, members


def _create(document: Document) -> None:
    for mount in members(member(document, "HostConfig"), "Mounts"):
        drop(member(mount, "TmpfsOptions"), "Options")


def _containers(reply: object) -> object:
    for container in items(reply):
        member(container, "HostConfig").pop("Annotations", None)
    return reply


CHANGE = Change(version=(1, 46), documents={CREATE: _create}, replies={LIST: _containers})
