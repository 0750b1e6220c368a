"""1.40: containers get a private IPC namespace by default; bind mounts may be non-recursive."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import CREATE, Change, drop, member, members, take


def _create(document: Document) -> None:
    key = take(document, "HostConfig")
    host = member(document, "HostConfig")
    if key is None or document[key] is None:
        document[key or "HostConfig"] = host
    mode = take(host, "IpcMode")
    if mode is None or not host[mode]:
        host[mode or "IpcMode"] = "shareable"
    for mount in members(host, "Mounts"):
        drop(member(mount, "BindOptions"), "NonRecursive")


CHANGE = Change(version=(1, 40), documents={CREATE: _create})
